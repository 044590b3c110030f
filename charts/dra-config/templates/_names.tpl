{{/*
What every name starts with: the name of the release, with that of the chart unless it is in there.
A longer one is cut, and a hash keeps two of them apart. 40 characters leave room for what follows.
*/}}
{{- define "dra-config.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- end -}}
{{- if gt (len $name) 40 -}}
{{- $name = printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "dra-config.webhook.name" -}}
{{ include "dra-config.fullname" . }}-webhook
{{- end -}}

{{/* The Secret with the certificate that is served. */}}
{{- define "dra-config.webhook.tlsSecret" -}}
{{- if eq .Values.webhook.tls.mode "secret" -}}
{{ .Values.webhook.tls.secret.name }}
{{- else -}}
{{ include "dra-config.webhook.name" . }}-tls
{{- end -}}
{{- end -}}

{{/* The Secret with the authority that the chart has cert-manager make. */}}
{{- define "dra-config.webhook.authority" -}}
{{ include "dra-config.webhook.name" . }}-ca
{{- end -}}

{{- define "dra-config.plugin.name" -}}
{{ include "dra-config.fullname" . }}-plugin
{{- end -}}

{{/* The account of the kubelet plugin: the only place where its name is made. */}}
{{- define "dra-config.plugin.serviceAccount" -}}
{{ include "dra-config.plugin.name" . }}
{{- end -}}

{{/* The account of the pods of MPS control daemons, which may do nothing. */}}
{{- define "dra-config.mps.serviceAccount" -}}
{{ include "dra-config.fullname" . }}-mps
{{- end -}}

{{/* What a selector may name: it never changes from one version to the next. */}}
{{- define "dra-config.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dra-config.labels" -}}
{{ include "dra-config.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "dra-config.webhook.selectorLabels" -}}
{{ include "dra-config.selectorLabels" . }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "dra-config.webhook.labels" -}}
{{ include "dra-config.labels" . }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "dra-config.plugin.selectorLabels" -}}
{{ include "dra-config.selectorLabels" . }}
app.kubernetes.io/component: plugin
{{- end -}}

{{- define "dra-config.plugin.labels" -}}
{{ include "dra-config.labels" . }}
app.kubernetes.io/component: plugin
{{- end -}}
