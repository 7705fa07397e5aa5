"""How an asset's value becomes lake objects or warehouse rows, and how the next asset gets it.

Lake assets hand references downstream, never prices; warehouse assets hand frames to whoever
asks for one.
"""
