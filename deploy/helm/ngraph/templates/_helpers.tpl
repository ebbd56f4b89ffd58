{{- define "ngraph.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The release's name, and the chart's where it isn't in there. */}}
{{- define "ngraph.fullname" -}}
{{- $name := include "ngraph.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What a pod is found by. */}}
{{- define "ngraph.selector" -}}
app.kubernetes.io/name: {{ include "ngraph.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ngraph.podLabels" -}}
{{ include "ngraph.selector" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "ngraph.labels" -}}
{{ include "ngraph.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ngraph.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* An option's variable and its text. A list is one text, and a number never 1e+06. */}}
{{- define "ngraph.option" -}}
- name: NGRAPH_{{ .name | snakecase | upper }}
  {{- if kindIs "slice" .value }}
  value: {{ join "," .value | quote }}
  {{- else if kindIs "float64" .value }}
  value: {{ int64 .value | quote }}
  {{- else }}
  value: {{ .value | quote }}
  {{- end }}
{{- end }}

{{- define "ngraph.probe" -}}
exec:
  command: [/ngraph, healthcheck]
timeoutSeconds: 5
{{- end }}

{{- define "ngraph.securityContext" -}}
readOnlyRootFilesystem: true
runAsUser: 0
{{- if eq .Values.security.mode "privileged" }}
privileged: true
{{- else }}
privileged: false
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
  add:
    {{- $all := ternary (list "SYS_PTRACE") list (default false .Values.options.all) }}
    {{- concat (list "BPF" "PERFMON") $all .Values.security.capabilities | uniq | toYaml | nindent 4 }}
seccompProfile:
  type: RuntimeDefault
{{- /* The runtimes' own profiles hide the node's processes. */}}
appArmorProfile:
  type: Unconfined
seLinuxOptions:
  type: spc_t
{{- end }}
{{- end }}
