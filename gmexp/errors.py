"""The one exception a user's mistake may raise; the command line prints its message as a single line."""


class UserError(ValueError):
    """Something the user can put right. The message says what is wrong and what would be right."""
