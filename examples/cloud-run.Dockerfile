# The service on Cloud Run: docs/serve.md. Not tried on Cloud Run itself.
#
#     gcloud builds submit --tag REGION-docker.pkg.dev/PROJECT/audio/audiostore .   # with this file as Dockerfile
#     gcloud run deploy audiostore --image REGION-docker.pkg.dev/PROJECT/audio/audiostore \
#         --set-env-vars GCS_BUCKET_NAME=gs://my-bucket --service-account audiostore@PROJECT.iam.gserviceaccount.com \
#         --set-secrets /secrets/tokens=audiostore-tokens:latest --no-cpu-throttling --allow-unauthenticated
#
# The tokens of the file say who may do what, so Cloud Run itself lets everybody pass.
FROM python:3.12-slim

COPY . /source
RUN pip install --no-cache-dir '/source[ffmpeg,serve]' && rm -rf /source \
    && useradd --create-home service
USER service
ENV PYTHONUNBUFFERED=1
CMD ["sh", "-c", "exec audiostore serve --host 0.0.0.0 --port ${PORT:-8080} --token-file /secrets/tokens"]
