{{/*
What the sidecar is made of. Another chart that has this one as a dependency, with app.enabled = false, includes them as
    {{ include "alipay-sidecar.container" (index .Subcharts "alipay-sidecar") }}
*/}}
{{- define "alipay-sidecar.app" -}}
{{ .Values.app.name | default .Release.Name }}
{{- end }}

{{- define "alipay-sidecar.config" -}}
{{ .Values.configName | default (printf "%s-alipay-sidecar" .Release.Name) }}
{{- end }}

{{- define "alipay-sidecar.keys" -}}
{{ .Values.keys.name | default (printf "%s-alipay-sidecar-keys" .Release.Name) }}
{{- end }}

{{- define "alipay-sidecar.selector" -}}
app.kubernetes.io/name: {{ include "alipay-sidecar.app" . }}
{{- end }}

{{- define "alipay-sidecar.labels" -}}
{{ include "alipay-sidecar.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The first of initContainers: started before the app, ended after it. */}}
{{- define "alipay-sidecar.container" -}}
- name: alipay-sidecar
  image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
  {{- with .Values.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  restartPolicy: Always
  args: ["run", "--config", "/etc/alipay-sidecar/sidecar.toml"]
  {{- with .Values.env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: alipay
      containerPort: {{ .Values.ports.server }}
    - name: alipay-admin
      containerPort: {{ .Values.ports.admin }}
  startupProbe:
    httpGet: { path: /startupz, port: alipay-admin }
    periodSeconds: 1
    failureThreshold: 30
  readinessProbe:
    httpGet: { path: /readyz, port: alipay-admin }
    periodSeconds: 2
    failureThreshold: 1
  livenessProbe:
    httpGet: { path: /livez, port: alipay-admin }
    periodSeconds: 10
    failureThreshold: 3
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: { drop: ["ALL"] }
    seccompProfile: { type: RuntimeDefault }
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: alipay-sidecar-config
      mountPath: /etc/alipay-sidecar
      readOnly: true
    - name: alipay-sidecar-keys
      mountPath: /etc/alipay-sidecar-keys
      readOnly: true
    - name: alipay-sidecar-ledger
      mountPath: /var/lib/alipay-sidecar
    # In the place of a token of the service account: the app keeps its own, the sidecar has none.
    - name: alipay-sidecar-no-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
{{- end }}

{{- define "alipay-sidecar.volumes" -}}
- name: alipay-sidecar-config
  configMap:
    name: {{ include "alipay-sidecar.config" . }}
- name: alipay-sidecar-keys
  secret:
    secretName: {{ include "alipay-sidecar.keys" . }}
- name: alipay-sidecar-ledger
  emptyDir:
    sizeLimit: 256Mi
- name: alipay-sidecar-no-token
  emptyDir:
    medium: Memory
    sizeLimit: 4Ki
{{- end }}
