"""The Gradio app. Gradio lives here and nowhere below."""
