"""python -m seatrial"""

from .cli import main

main()
