// Renders the chart as Helm does, without Helm: the same template library and functions, Helm's own
// few functions, its merge of values and its order of installation.
//
//	render CHART RELEASE NAMESPACE [VALUES...]
//
// Prints the manifests, and with -notes what NOTES.txt says. The exit status is 1 where `helm
// template` would fail, with the reason on standard error.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

// Helm's order of installation, of what the chart may have.
var kinds = []string{
	"PriorityClass", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount", "Secret",
	"ConfigMap", "Service", "Deployment", "StatefulSet",
}

type values = map[string]interface{}

type files string

// Get is Helm's .Files.Get: an empty text where there is no such file.
func (root files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(string(root), name))
	if err != nil {
		return ""
	}
	return string(text)
}

type apis []string

// Has is Helm's .Capabilities.APIVersions.Has.
func (all apis) Has(name string) bool {
	for _, one := range all {
		if one == name {
			return true
		}
	}
	return false
}

func main() {
	arguments, notes := os.Args[1:], false
	if len(arguments) > 0 && arguments[0] == "-notes" {
		arguments, notes = arguments[1:], true
	}
	if len(arguments) < 3 {
		fail(errors.New("usage: render [-notes] CHART RELEASE NAMESPACE [VALUES...]"))
	}
	text, err := render(arguments[0], arguments[1], arguments[2], arguments[3:], notes)
	if err != nil {
		fail(err)
	}
	fmt.Print(text)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func render(chart, release, namespace string, valueFiles []string, notes bool) (string, error) {
	var about, all values
	if err := read(filepath.Join(chart, "Chart.yaml"), &about); err != nil {
		return "", err
	}
	if err := read(filepath.Join(chart, "values.yaml"), &all); err != nil {
		return "", err
	}
	for _, path := range valueFiles {
		var given values
		if err := read(path, &given); err != nil {
			return "", err
		}
		merge(all, given)
	}
	context := values{
		"Values": all,
		"Files":  files(chart),
		"Chart": values{
			"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"],
		},
		"Release": values{
			"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true,
		},
		"Capabilities": values{"APIVersions": apis{"v1", "monitoring.coreos.com/v1"}},
	}
	return execute(chart, context, notes)
}

func read(path string, into *values) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// merge lays the given values over the defaults; null takes a default away.
func merge(base, given values) {
	for name, value := range given {
		old, isOldMap := base[name].(values)
		new, isNewMap := value.(values)
		switch {
		case value == nil:
			delete(base, name)
		case isOldMap && isNewMap:
			merge(old, new)
		default:
			base[name] = value
		}
	}
}

func execute(chart string, context values, notes bool) (string, error) {
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return "", err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if _, err := root.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return "", err
		}
	}
	var documents []string
	for _, path := range paths {
		name := filepath.Base(path)
		if notes != (name == "NOTES.txt") || strings.HasPrefix(name, "_") {
			continue
		}
		text, err := executeOne(root, name, context)
		if err != nil {
			return "", err
		}
		if notes {
			return text, nil
		}
		for _, document := range strings.Split("\n"+text, "\n---\n") {
			if strings.TrimSpace(document) != "" {
				documents = append(documents, strings.TrimSpace(document))
			}
		}
	}
	return sorted(documents)
}

func executeOne(root *template.Template, name string, context values) (string, error) {
	var text bytes.Buffer
	if err := root.ExecuteTemplate(&text, name, context); err != nil {
		return "", err
	}
	return strings.ReplaceAll(text.String(), "<no value>", ""), nil
}

func functions(root *template.Template) template.FuncMap {
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	all["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := root.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	all["tpl"] = func(text string, data interface{}) (string, error) {
		clone, err := root.Clone()
		if err != nil {
			return "", err
		}
		clone.Funcs(functions(clone))
		if _, err := clone.New("tpl").Parse(text); err != nil {
			return "", err
		}
		return executeOne(clone, "tpl", data.(values))
	}
	all["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	all["fromYaml"] = func(text string) (values, error) {
		var value values
		err := yaml.Unmarshal([]byte(text), &value)
		return value, err
	}
	all["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	all["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	return all
}

// sorted puts the manifests into the order in which Helm installs them, and checks that each is one.
func sorted(documents []string) (string, error) {
	rank := func(document string) (int, error) {
		var object values
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			return 0, fmt.Errorf("%w in\n%s", err, document)
		}
		for number, kind := range kinds {
			if object["kind"] == kind {
				return number, nil
			}
		}
		return len(kinds), nil
	}
	ranks := map[string]int{}
	for _, document := range documents {
		number, err := rank(document)
		if err != nil {
			return "", err
		}
		ranks[document] = number
	}
	sort.SliceStable(documents, func(a, b int) bool {
		return ranks[documents[a]] < ranks[documents[b]]
	})
	var text strings.Builder
	for _, document := range documents {
		fmt.Fprintf(&text, "---\n%s\n", document)
	}
	return text.String(), nil
}
