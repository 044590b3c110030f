{{/* The user's authority as the API takes it: base64 of PEM. */}}
{{- define "dra-config.webhook.caBundle" -}}
{{- $given := trim .Values.webhook.tls.secret.caBundle -}}
{{- if hasPrefix "-----BEGIN" $given -}}
{{- printf "%s\n" $given | b64enc -}}
{{- else -}}
{{- regexReplaceAll "\\s" $given "" -}}
{{- end -}}
{{- end -}}
