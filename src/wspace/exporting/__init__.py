"""Models that leave wspace: ONNX graphs, torch programs."""
