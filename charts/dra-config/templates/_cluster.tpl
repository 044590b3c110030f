{{/* The newest version of resource.k8s.io that this cluster serves and we know. */}}
{{- define "dra-config.resourceApiVersion" -}}
{{- $known := list "resource.k8s.io/v1" "resource.k8s.io/v1beta2" "resource.k8s.io/v1beta1" -}}
{{- $served := "" -}}
{{- range $version := $known -}}
{{- if and (not $served) ($.Capabilities.APIVersions.Has $version) -}}
{{- $served = $version -}}
{{- end -}}
{{- end -}}
{{- if not $served -}}
{{- fail (printf "dra-config: this cluster serves none of %s. Dynamic resource allocation is on by default from Kubernetes 1.34 on; before that, switch on the feature gate DynamicResourceAllocation and one of these versions." (join ", " $known)) -}}
{{- end -}}
{{- $served -}}
{{- end -}}

{{/* Takes a list of root, API and value: stops with a sentence where the API is missing. */}}
{{- define "dra-config.needsApi" -}}
{{- $root := index . 0 -}}
{{- if not ($root.Capabilities.APIVersions.Has (index . 1)) -}}
{{- fail (printf "dra-config: %s needs the API %s, which this cluster does not serve. Install it first, or switch the value off. (Without a cluster, helm template takes --api-versions %s.)" (index . 2) (index . 1) (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Takes a list of root and an alpha gate: "true" if the gate is on. */}}
{{- define "dra-config.alphaGateIsOn" -}}
{{- $gates := (index . 0).Values.featureGates -}}
{{- $gate := index . 1 -}}
{{- if ternary (get $gates $gate) (get $gates "AllAlpha") (hasKey $gates $gate) -}}true{{- end -}}
{{- end -}}

{{/* The gates as a flag takes them. */}}
{{- define "dra-config.featureGates" -}}
{{- $entries := list -}}
{{- range $gate, $on := .Values.featureGates -}}
{{- $entries = append $entries (printf "%s=%t" $gate $on) -}}
{{- end -}}
{{- join "," $entries -}}
{{- end -}}

{{/* What no schema can compare. */}}
{{- define "dra-config.checkValues" -}}
{{- include "dra-config.checkPlugin" . -}}
{{- $webhook := .Values.webhook -}}
{{- if eq (int $webhook.port) (int $webhook.probePort) -}}
{{- fail (printf "dra-config: webhook.port and webhook.probePort are both %d; a pod needs two ports." (int $webhook.port)) -}}
{{- end -}}
{{- if and $webhook.autoscaling.enabled (gt (int $webhook.autoscaling.minReplicas) (int $webhook.autoscaling.maxReplicas)) -}}
{{- fail (printf "dra-config: webhook.autoscaling.minReplicas is %d and webhook.autoscaling.maxReplicas %d; the first must not be more." (int $webhook.autoscaling.minReplicas) (int $webhook.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and (eq $webhook.tls.mode "secret") (not (and $webhook.tls.secret.name $webhook.tls.secret.caBundle)) -}}
{{- fail "dra-config: webhook.tls.mode is secret, so webhook.tls.secret.name must name a Secret with tls.crt and tls.key, and webhook.tls.secret.caBundle must be the authority that issued it." -}}
{{- end -}}
{{- if eq $webhook.tls.mode "cert-manager" -}}
{{- if not (.Capabilities.APIVersions.Has "cert-manager.io/v1") -}}
{{- fail "dra-config: webhook.tls.mode is cert-manager, and this cluster serves no cert-manager.io/v1. There are two ways out: install cert-manager first, or choose another mode with --set webhook.tls.mode=self-managed (the webhook looks after its certificate) or =secret (you do). (Without a cluster, helm template takes --api-versions cert-manager.io/v1.)" -}}
{{- end -}}
{{- end -}}
{{- end -}}
