"""What is inside an encoder: which structure it keeps, which words its tokens form, what moves it."""
