{{/* "true" if the plugin is part of the release. */}}
{{- define "dra-config.plugin.runs" -}}
{{- if and .Values.plugin.enabled (has "gpu.nvidia.com" .Values.drivers) }}true{{ end -}}
{{- end -}}

{{/*
"true" if two instances can live on one node: the UIDs of their pods set their sockets apart. The
kubelet takes several instances from 1.33 on, and the path of a socket has at most 107 bytes.
*/}}
{{- define "dra-config.plugin.overlaps" -}}
{{- if and (semverCompare ">=1.33-0" .Capabilities.KubeVersion.Version) (le (len .Values.plugin.kubeletRootDir) 29) }}true{{ end -}}
{{- end -}}

{{/*
"true" if MPS control daemons run in pods. With the gate off no new ones are made, but those of claims
that are still prepared have to be found and ended.
*/}}
{{- define "dra-config.plugin.hasPods" -}}
{{- if and (include "dra-config.plugin.runs" .) (eq .Values.plugin.mps.launcher "pod") }}true{{ end -}}
{{- end -}}

{{- define "dra-config.plugin.image" -}}
{{- include "dra-config.image" (list . .Values.plugin.image) -}}
{{- end -}}

{{/* The folder of the host that is mounted at /driver-root: `/`, or the one above the driver's. */}}
{{- define "dra-config.plugin.driverFolder" -}}
{{ dir .Values.plugin.driverRoot }}
{{- end -}}

{{/* The driver's root as the plugin sees it. */}}
{{- define "dra-config.plugin.driverRootMount" -}}
{{- if eq .Values.plugin.driverRoot "/" }}/driver-root{{ else }}/driver-root/{{ base .Values.plugin.driverRoot }}{{ end -}}
{{- end -}}

{{/* What no schema can compare. */}}
{{- define "dra-config.checkPlugin" -}}
{{- $plugin := .Values.plugin -}}
{{- if eq (int $plugin.metricsPort) (int $plugin.probePort) -}}
{{- fail (printf "dra-config: plugin.metricsPort and plugin.probePort are both %d; a pod needs two ports." (int $plugin.probePort)) -}}
{{- end -}}
{{- if and $plugin.simulate (ne $plugin.driverRoot "/") -}}
{{- fail (printf "dra-config: plugin.simulate is %s, and plugin.driverRoot %s; a simulated machine has a driver of its own, so leave one of them out." $plugin.simulate $plugin.driverRoot) -}}
{{- end -}}
{{- if or (contains "/../" (printf "%s/" $plugin.kubeletRootDir)) (contains "/../" (printf "%s/" $plugin.cdiRoot)) (contains "/../" (printf "%s/" $plugin.driverRoot)) -}}
{{- fail "dra-config: plugin.kubeletRootDir, plugin.cdiRoot and plugin.driverRoot must be paths without `..`." -}}
{{- end -}}
{{- $strategy := $plugin.updateStrategy -}}
{{- $rolling := default dict $strategy.rollingUpdate -}}
{{- if and $rolling (eq (default "RollingUpdate" $strategy.type) "OnDelete") -}}
{{- fail "dra-config: plugin.updateStrategy.type is OnDelete, which has no rollingUpdate." -}}
{{- end -}}
{{- if and (not (include "dra-config.plugin.overlaps" .)) (not (has (toString (default 0 $rolling.maxSurge)) (list "0" "0%"))) -}}
{{- fail (printf "dra-config: plugin.updateStrategy.rollingUpdate.maxSurge is %v, but two plugins cannot live on one node here: that takes Kubernetes 1.33 and a plugin.kubeletRootDir of at most 29 characters." $rolling.maxSurge) -}}
{{- end -}}
{{- end -}}
