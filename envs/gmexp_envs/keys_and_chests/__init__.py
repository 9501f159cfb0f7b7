"""Keys and Chests of Langosco et al. 2022, and the heist of procgen that it is made from."""
