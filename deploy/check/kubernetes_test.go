package check

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// builders make an object of each kind that may occur.
var builders = map[string]func() runtime.Object{
	"v1/Service":                             func() runtime.Object { return &corev1.Service{} },
	"v1/ServiceAccount":                      func() runtime.Object { return &corev1.ServiceAccount{} },
	"apps/v1/StatefulSet":                    func() runtime.Object { return &appsv1.StatefulSet{} },
	"apps/v1/Deployment":                     func() runtime.Object { return &appsv1.Deployment{} },
	"policy/v1/PodDisruptionBudget":          func() runtime.Object { return &policyv1.PodDisruptionBudget{} },
	"autoscaling/v2/HorizontalPodAutoscaler": func() runtime.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"networking.k8s.io/v1/NetworkPolicy":     func() runtime.Object { return &networkingv1.NetworkPolicy{} },
}

// layouts are the ways to run on Kubernetes, with the pods of each.
var layouts = map[string][]string{
	"apart":   {"quorate-api", "quorate-consensus", "quorate-lease", "quorate-watch"},
	"members": {"quorate"},
}

// manifests are all objects of a layout, and what operators make of those that are theirs: secrets, and who is scraped.
type manifests struct {
	objects  []runtime.Object
	secrets  []string
	monitors []serviceMonitor
}

// serviceMonitor is the part of the Prometheus operator's ServiceMonitor that is used.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// certificate is the part of cert-manager's Certificate that is used, no more.
type certificate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SecretName  string            `json:"secretName"`
		IssuerRef   map[string]string `json:"issuerRef"`
		IsCA        bool              `json:"isCA"`
		CommonName  string            `json:"commonName"`
		DNSNames    []string          `json:"dnsNames"`
		Usages      []string          `json:"usages"`
		PrivateKey  map[string]any    `json:"privateKey"`
		Duration    metav1.Duration   `json:"duration"`
		RenewBefore metav1.Duration   `json:"renewBefore"`
	} `json:"spec"`
}

// issuer is the part of cert-manager's Issuer that is used.
type issuer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SelfSigned *struct{}         `json:"selfSigned"`
		CA         map[string]string `json:"ca"`
	} `json:"spec"`
}

// load decodes every manifest that the kustomization of a layout names, and refuses fields that its type does not have.
func load(t *testing.T, layout string) manifests {
	t.Helper()
	folder := "deploy/kubernetes/" + layout + "/"
	var kustomization struct {
		Resources []string `json:"resources"`
		Images    []struct {
			Name string `json:"name"`
		} `json:"images"`
	}
	require.NoError(t, yaml.Unmarshal(read(t, folder+"kustomization.yaml"), &kustomization))
	files, err := filepath.Glob(filepath.Join(root, folder+"*.yaml"))
	require.NoError(t, err)
	require.Len(t, kustomization.Resources, len(files)-1, "each file is listed")
	var all manifests
	for _, file := range kustomization.Resources {
		for _, document := range strings.Split(string(read(t, folder+file)), "\n---\n") {
			all.add(t, file, []byte(document))
		}
	}
	require.NotEmpty(t, all.objects)
	return all
}

func (m *manifests) add(t *testing.T, file string, document []byte) {
	t.Helper()
	var kind metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(document, &kind), file)
	switch name := kind.APIVersion + "/" + kind.Kind; name {
	case "cert-manager.io/v1/Certificate":
		var c certificate
		require.NoError(t, yaml.UnmarshalStrict(document, &c), file)
		m.secrets = append(m.secrets, c.Spec.SecretName)
	case "monitoring.coreos.com/v1/ServiceMonitor":
		var monitor serviceMonitor
		require.NoError(t, yaml.UnmarshalStrict(document, &monitor), file)
		m.monitors = append(m.monitors, monitor)
	case "cert-manager.io/v1/Issuer":
		require.NoError(t, yaml.UnmarshalStrict(document, &issuer{}), file)
	default:
		require.Contains(t, builders, name, file)
		object := builders[name]()
		require.NoError(t, yaml.UnmarshalStrict(document, object), "%s: %s", file, name)
		m.objects = append(m.objects, object)
	}
}

// each calls do with every object of a type.
func each[T runtime.Object](m manifests, do func(T)) {
	for _, object := range m.objects {
		if one, ok := object.(T); ok {
			do(one)
		}
	}
}

// pods are the templates of all pods, by their name label.
func (m manifests) pods(t *testing.T) map[string]corev1.PodTemplateSpec {
	t.Helper()
	pods := map[string]corev1.PodTemplateSpec{}
	add := func(selector *metav1.LabelSelector, pod corev1.PodTemplateSpec) {
		require.Equal(t, selector.MatchLabels, pod.Labels)
		pods[pod.Labels["app.kubernetes.io/name"]] = pod
	}
	each(m, func(s *appsv1.StatefulSet) { add(s.Spec.Selector, s.Spec.Template) })
	each(m, func(d *appsv1.Deployment) { add(d.Spec.Selector, d.Spec.Template) })
	return pods
}

// Goal: every object is one that Kubernetes takes, and what objects say of each other is so.
// Method: strict decoding into the published types; then selectors, ports, secrets and targets are looked up.
func TestKubernetesManifestsFitTogether(t *testing.T) {
	for layout, names := range layouts {
		t.Run(layout, func(t *testing.T) { fitTogether(t, load(t, layout), names) })
	}
}

func fitTogether(t *testing.T, m manifests, names []string) {
	pods := m.pods(t)
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(pods)))
	ports := func(labels map[string]string) []string {
		pod, known := pods[labels["app.kubernetes.io/name"]]
		require.True(t, known, "no pod has the labels %v", labels)
		var names []string
		for _, port := range pod.Spec.Containers[0].Ports {
			names = append(names, port.Name)
		}
		return names
	}
	each(m, func(s *corev1.Service) {
		for _, port := range s.Spec.Ports {
			require.Contains(t, ports(s.Spec.Selector), port.Name, s.Name)
		}
	})
	each(m, func(b *policyv1.PodDisruptionBudget) { ports(b.Spec.Selector.MatchLabels) })
	each(m, func(a *autoscalingv2.HorizontalPodAutoscaler) {
		require.Contains(t, pods, a.Spec.ScaleTargetRef.Name)
		require.LessOrEqual(t, *a.Spec.MinReplicas, a.Spec.MaxReplicas)
	})
	each(m, func(p *networkingv1.NetworkPolicy) {
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				require.Contains(t, ports(p.Spec.PodSelector.MatchLabels), port.Port.StrVal, p.Name)
			}
			for _, from := range rule.From {
				ports(from.PodSelector.MatchLabels)
			}
		}
	})
	for _, monitor := range m.monitors {
		scraped := 0
		each(m, func(s *corev1.Service) {
			if s.Labels["app.kubernetes.io/name"] != monitor.Spec.Selector.MatchLabels["app.kubernetes.io/name"] {
				return
			}
			scraped++
			require.Contains(t, string(read(t, "deploy/prometheus/prometheus.yml")), "job_name: "+s.Labels[monitor.Spec.JobLabel]+"\n")
			for _, endpoint := range monitor.Spec.Endpoints {
				require.True(t, slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint.Port }), endpoint.Port)
			}
		})
		require.Equal(t, 1, scraped, monitor.Name)
	}
	for name, pod := range pods {
		for _, volume := range pod.Spec.Volumes {
			if volume.Secret != nil {
				require.Contains(t, m.secrets, volume.Secret.SecretName, name)
			}
		}
	}
}

// Goal: pods run without rights, are probed, have bounds, and ask their programs for what these have.
// Method: look at each pod; its arguments are compared with the program's own list of flags.
func TestKubernetesPodsAreConfined(t *testing.T) {
	pods := load(t, "apart").pods(t)
	maps.Copy(pods, load(t, "members").pods(t))
	for name, pod := range pods {
		t.Run(name, func(t *testing.T) {
			require.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
			require.False(t, *pod.Spec.AutomountServiceAccountToken)
			require.Len(t, pod.Spec.Containers, 1)
			c := pod.Spec.Containers[0]
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.NotEmpty(t, c.Resources.Limits)
			require.NotEmpty(t, c.Resources.Requests)
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				require.NotNil(t, probe)
				require.True(t, slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }))
			}
			require.Equal(t, name, c.Image)
			requireFlags(t, name, c.Args)
		})
	}
}
