{{- define "darner.volumeName" -}}
{{- if .Values.storage.useFullnameForVolumes }}{{ include "darner.fullname" . }}{{ end -}}
{{- printf "%s" (ternary "-data" "darner-data" .Values.storage.useFullnameForVolumes) -}}
{{- end }}

{{/* A probe has one way to ask: whoever gives another doesn't want the default. */}}
{{- define "darner.probe" -}}
{{- if or (hasKey . "exec") (hasKey . "tcpSocket") (hasKey . "grpc") }}
{{- omit . "httpGet" | toYaml }}
{{- else }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "darner.pod" -}}
{{- include "darner.validate" . -}}
metadata:
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "darner.selectorLabels" . | nindent 4 }}
    {{- with .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "darner.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.initContainers }}
  initContainers:
    {{- include "darner.list" (dict "value" .Values.initContainers "context" .) | nindent 4 }}
  {{- end }}
  containers:
    - name: darner
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with .Values.command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        - --alsologtostderr
        - --admin_port={{ include "darner.adminPort" . }}
        - --snapshot_keep={{ .Values.snapshots.keep }}
        {{- with .Values.cluster.mode }}
        - --cluster_mode={{ . }}
        {{- end }}
        {{- with include "darner.extraArgs" . }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - name: darner
          containerPort: {{ include "darner.port" . }}
          protocol: TCP
        - name: admin
          containerPort: {{ include "darner.adminPort" . }}
          protocol: TCP
      {{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" }}
      {{- with index $.Values.probes $name }}
      {{ $name }}:
        {{- include "darner.probe" . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- if or .Values.env .Values.passwordFromSecret.enable }}
      env:
        {{- if .Values.passwordFromSecret.enable }}
        - name: DARNER_requirepass
          valueFrom:
            secretKeyRef:
              name: {{ tpl .Values.passwordFromSecret.existingSecret.name . }}
              key: {{ .Values.passwordFromSecret.existingSecret.key }}
        {{- end }}
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: {{ include "darner.volumeName" . }}
          mountPath: /data
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- if .Values.extraContainers }}
    {{- include "darner.list" (dict "value" .Values.extraContainers "context" .) | nindent 4 }}
    {{- end }}
  {{- range $name := list "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" }}
  {{- with index $.Values $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if or .Values.extraVolumes (not .Values.storage.enabled) }}
  volumes:
    {{- if not .Values.storage.enabled }}
    - name: {{ include "darner.volumeName" . }}
      emptyDir: {}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}
