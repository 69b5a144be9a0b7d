"""Side-by-side measurements, each a command in bench/ and a page in docs/measurements/."""
