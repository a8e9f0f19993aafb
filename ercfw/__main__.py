"""``python -m ercfw``, so that ``torchrun -m ercfw run ...`` can start it on several devices."""

from ercfw.cli import main

if __name__ == "__main__":
    main()
