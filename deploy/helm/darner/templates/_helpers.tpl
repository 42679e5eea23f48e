{{- define "darner.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "darner.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "darner.selectorLabels" -}}
app.kubernetes.io/name: {{ include "darner.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "darner.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "darner.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | replace "@" "_" | replace ":" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "darner.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "darner.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* A list, or a text that is a template of one. */}}
{{- define "darner.list" -}}
{{- $text := .value -}}
{{- if not (kindIs "string" $text) }}{{ $text = toYaml $text }}{{ end -}}
{{- tpl $text .context | trim -}}
{{- end }}

{{- define "darner.extraArgs" -}}
{{- if .Values.extraArgs }}
{{- include "darner.list" (dict "value" .Values.extraArgs "context" .) }}
{{- end }}
{{- end }}

{{/* The admin port: the one in extraArgs, where there is one. */}}
{{- define "darner.adminPort" -}}
{{- $given := regexFind "admin[_-]port[= ][0-9]+" (include "darner.extraArgs" .) -}}
{{- if $given -}}
{{- regexFind "[0-9]+" $given -}}
{{- else -}}
{{- .Values.admin.port -}}
{{- end -}}
{{- end }}

{{/* The port of the server: the one in extraArgs, where there is one. */}}
{{- define "darner.port" -}}
{{- $given := regexFind "(^|[\\s\"'])--port[= ][0-9]+" (include "darner.extraArgs" .) -}}
{{- if $given -}}
{{- regexFind "[0-9]+" $given -}}
{{- else -}}
6379
{{- end -}}
{{- end }}

{{/* Refuses what the server can't do: it would not start. */}}
{{- define "darner.validate" -}}
{{- if .Values.tls.enabled }}
{{- fail "tls.enabled: Darner has no TLS yet. Leave it off, or put a TLS proxy into extraContainers." }}
{{- end }}
{{- if not (has .Values.cluster.mode (list "" "emulated")) }}
{{- fail (printf "cluster.mode: Darner knows \"emulated\" only (a single node), not %q." .Values.cluster.mode) }}
{{- end }}
{{- if .Values.cluster.experimentalShardBySlot }}
{{- fail "cluster.experimentalShardBySlot: Darner has no use for it. Leave it off." }}
{{- end }}
{{- if and .Values.prometheusRule.enabled (not .Values.serviceMonitor.enabled) }}
{{- fail "prometheusRule.enabled needs serviceMonitor.enabled: without it there are no metrics for the rules." }}
{{- end }}
{{- if .Values.passwordFromSecret.enable }}
{{- $_ := required "passwordFromSecret.existingSecret.name is needed" .Values.passwordFromSecret.existingSecret.name }}
{{- $_ := required "passwordFromSecret.existingSecret.key is needed" .Values.passwordFromSecret.existingSecret.key }}
{{- end }}
{{- end }}
