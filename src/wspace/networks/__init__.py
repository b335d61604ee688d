"""The networks of the three StyleGAN generations, a box of the papers' figures a file."""
