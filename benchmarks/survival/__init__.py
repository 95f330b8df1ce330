"""What becomes of a track and its cover when things go wrong: audiostore beside other tools.

Each tool is to store `audio.mp3` and `thumbnail.jpg` in one folder of a bucket and to remove the
local files. Something goes wrong meanwhile; then the same command runs again, as an operator or a
supervisor would run it. What anybody could see in the bucket is looked at after each request.
"""
