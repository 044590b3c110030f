{{- define "dra-config.webhook.image" -}}
{{- $image := .Values.webhook.image -}}
{{- $name := $image.repository -}}
{{- with $image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest | quote -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) | quote -}}
{{- end -}}
{{- end -}}
