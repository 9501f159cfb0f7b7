"""READMEs as HTML: what they are written in is shown, and nothing in them becomes markup by accident."""

from gmexp.pages import markdown

README = """# A study: does it <work>?

**Design.** Two conditions, see `gmexp run`, [a page](https://example.org/x) and [a file](file.md),
over two lines.

| a | b |
|---|---|
| 1 | **2** |

* one
* two
  goes on

![Picture](figures/rates.png)

```
code  **stays**

here
```
"""


def test_every_kind_of_block():
    found = markdown.html(README)
    assert markdown.title(README) == "A study: does it <work>?"
    assert "<p><strong>Design.</strong> Two conditions, see <code>gmexp run</code>, " in found
    assert '<a href="https://example.org/x">a page</a> and a file, over two lines.</p>' in found
    assert "a</th>" in found and '<td data-label="a">1</td><td data-label="b"><strong>2</strong></td>' in found
    assert "<ul><li>one</li><li>two goes on</li></ul>" in found
    assert "<pre>code  **stays**\n\nhere</pre>" in found
    assert "---" not in found and "figures/rates.png" not in found and "A study" not in found


def test_what_is_written_is_escaped():
    assert markdown.html("a <script>alert(1)</script> & `<b>`") == (
        "<p>a &lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>&lt;b&gt;</code></p>")
    assert markdown.title("no heading") == ""
