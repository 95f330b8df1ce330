"""FFmpeg's libraries in a child process with limits, which a crafted file can harm alone."""
