"""What the StyleGAN article claims, put to the test on a model."""
