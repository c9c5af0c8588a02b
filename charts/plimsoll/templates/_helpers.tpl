{{- define "plimsoll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Room is left for what is put behind it: a name has 63 characters. */}}
{{- define "plimsoll.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "plimsoll.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "plimsoll.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.deploymentId" -}}
{{- default (printf "%s.%s" .Release.Namespace (include "plimsoll.fullname" .) | trunc 63 | trimAll "-.") .Values.deploymentId -}}
{{- end -}}

{{/* Of the pods of one component: what never changes about them. */}}
{{- define "plimsoll.selector" -}}
app.kubernetes.io/name: {{ include "plimsoll.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: plimsoll
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* All namespaces of runs, each once, as JSON. */}}
{{- define "plimsoll.namespaces" -}}
{{- $all := list .Values.runs.namespace -}}
{{- range $project, $namespace := .Values.runs.projects -}}
{{- $all = append $all $namespace -}}
{{- end -}}
{{- if has .Release.Namespace $all -}}
{{- fail (printf "runs must not be in the namespace of the release (%s): what is secret there would be theirs. Choose another runs.namespace, or runs.projects" .Release.Namespace) -}}
{{- end -}}
{{- range $all -}}
{{- if hasPrefix "kube-" . -}}
{{- fail (printf "runs must not be in a namespace of Kubernetes itself (%s): who starts runs there rules the cluster. Choose another runs.namespace, or runs.projects" .) -}}
{{- end -}}
{{- end -}}
{{- $all | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* What baseline refuses, and specs may ask for or all pods have. */}}
{{- define "plimsoll.podSecurity" -}}
{{- if .Values.runs.podSecurity -}}
{{- .Values.runs.podSecurity -}}
{{- else -}}
{{- $level := "baseline" -}}
{{- range .Values.cluster.settings.grants -}}
{{- if has . (list "hostPath" "hostNetwork" "capabilities" "privileged") -}}
{{- $level = "privileged" -}}
{{- end -}}
{{- end -}}
{{- $pods := default dict .Values.cluster.settings.pods -}}
{{- $security := default dict $pods.security -}}
{{- if or $pods.hostNetwork $security.privileged $security.addCapabilities -}}
{{- $level = "privileged" -}}
{{- end -}}
{{- range $pods.volumes -}}
{{- if .hostPath -}}
{{- $level = "privileged" -}}
{{- end -}}
{{- end -}}
{{- $level -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The files of the ConfigMap, which is there twice: a hook before the installation needs its own. */}}
{{- define "plimsoll.files" -}}
{{- $deployment := dict "id" (include "plimsoll.deploymentId" .) "keyFile" "/etc/plimsoll-keys/deployment.key" -}}
{{- if .Values.policy -}}
{{- $_ := set $deployment "policy" "policy.yaml" -}}
{{- end -}}
{{- $listen := dict "host" "0.0.0.0" "port" 7420 "ingestPort" 7421 "probePort" 7422 -}}
{{- $ours := dict "listen" $listen "deployment" $deployment "clusters" (list "cluster.yaml") -}}
{{- $projects := dict -}}
{{- range $project, $namespace := .Values.runs.projects -}}
{{- $_ := set $projects $project (dict "namespace" $namespace) -}}
{{- end -}}
{{- $ingest := printf "http://%s-ingest.%s.svc:7421" (include "plimsoll.fullname" .) .Release.Namespace -}}
{{- $cluster := dict "kind" "kubernetes" "name" .Values.cluster.name "namespace" .Values.runs.namespace "projects" $projects "ingestUrl" $ingest "cordon" (and .Values.rbac.cordon (ne (get .Values.cluster.settings "cordon" | toString) "false")) -}}
{{- if .Values.priorityClass.name -}}
{{- $_ := set $cluster "priorityClass" .Values.priorityClass.name -}}
{{- end -}}
{{- $alerts := dict -}}
{{- with .Values.alerts.pages -}}
{{- $_ := set $alerts "pages" . -}}
{{- end -}}
{{- with .Values.alerts.allowNetworks -}}
{{- $_ := set $alerts "allowNetworks" . -}}
{{- end -}}
{{- if .Values.alerts.smtp -}}
{{- $smtp := deepCopy .Values.alerts.smtp -}}
{{- if .Values.secret.keys.smtpPassword -}}
{{- $_ := set $smtp "passwordFile" "/etc/plimsoll-keys/smtp-password" -}}
{{- end -}}
{{- $_ := set $alerts "smtp" $smtp -}}
{{- end -}}
{{- if .Values.alerts.thresholds -}}
{{- $_ := set $alerts "thresholds" "thresholds.yaml" -}}
{{- end -}}
{{- if $alerts -}}
{{- $_ := set $ours "alerts" $alerts -}}
{{- end -}}
{{- if .Values.signIn.oidc.issuer -}}
{{- if not .Values.alerts.pages -}}
{{- fail "signIn.oidc needs alerts.pages: the address of the pages, to which the identity provider sends people back" -}}
{{- end -}}
{{- $oidc := deepCopy .Values.signIn.oidc -}}
{{- if .Values.secret.keys.oidcClientSecret -}}
{{- $_ := set $oidc "clientSecretFile" "/etc/plimsoll-keys/oidc-client-secret" -}}
{{- end -}}
{{- $_ := set $ours "signIn" (dict "oidc" $oidc) -}}
{{- end }}
config.yaml: |
{{ mergeOverwrite (deepCopy .Values.config) $ours | toYaml | indent 2 }}
cluster.yaml: |
{{ mergeOverwrite (deepCopy .Values.cluster.settings) $cluster | toYaml | indent 2 }}
{{- with .Values.policy }}
policy.yaml: |
{{ toYaml . | indent 2 }}
{{- end }}
{{- with .Values.alerts.thresholds }}
thresholds.yaml: |
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{- define "plimsoll.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "plimsoll.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* What is the same in every pod. `root`, `component`, `config`: the name of its ConfigMap. */}}
{{- define "plimsoll.volumes" -}}
- name: config
  configMap: { name: {{ .config }} }
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if .key }}
- name: keys
  secret:
    secretName: {{ .root.Values.secret.name }}
    defaultMode: 0440
    items:
      - { key: {{ .root.Values.secret.keys.deploymentKey }}, path: deployment.key }
      {{- with .root.Values.secret.keys.smtpPassword }}
      - { key: {{ . }}, path: smtp-password }
      {{- end }}
      {{- if and .root.Values.secret.keys.oidcClientSecret (eq .component "api") }}
      - { key: {{ .root.Values.secret.keys.oidcClientSecret }}, path: oidc-client-secret }
      {{- end }}
{{- end }}
{{- end -}}

{{- define "plimsoll.mounts" -}}
- { name: config, mountPath: /etc/plimsoll, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- if .key }}
- { name: keys, mountPath: /etc/plimsoll-keys, readOnly: true }
{{- end }}
{{- end -}}

{{- define "plimsoll.env" -}}
- { name: PLIMSOLL_CONFIG, value: /etc/plimsoll/config.yaml }
# Nothing but /tmp can be written.
- { name: HOME, value: /tmp }
- { name: NODE_COMPILE_CACHE, value: /tmp/compile }
{{- if .database }}
- name: PLIMSOLL_DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .root.Values.secret.name }}, key: {{ .root.Values.secret.keys.databaseUrl }} } }
{{- end }}
{{- end -}}

{{- define "plimsoll.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "plimsoll.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "plimsoll.releaseHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
