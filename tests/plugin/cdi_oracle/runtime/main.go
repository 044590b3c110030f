// Command runtime answers what a container runtime makes of CDI files: each line of its input names
// a folder and the ids of devices, each line of its output is the answer.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	oci "github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
	cdispecs "tags.cncf.io/container-device-interface/specs-go"
)

type question struct {
	Folder  string   `json:"folder"`
	Devices []string `json:"devices"`
}

type answer struct {
	// Errors of all files in the folder, then of the devices.
	Errors []string `json:"errors"`
	// Minimum is the oldest version of CDI that each file could name, by its path.
	Minimum map[string]string `json:"minimum"`
	// Container is what the devices make of an empty container.
	Container *oci.Spec `json:"container"`
}

func (a *answer) note(err error) {
	if err != nil {
		a.Errors = append(a.Errors, err.Error())
	}
}

func ask(asked question) answer {
	given := answer{
		Errors:    []string{},
		Minimum:   map[string]string{},
		Container: &oci.Spec{Process: &oci.Process{}, Linux: &oci.Linux{}},
	}
	// No cache outlives a question, and no folder is watched.
	cache, err := cdi.NewCache(cdi.WithSpecDirs(asked.Folder), cdi.WithAutoRefresh(false))
	if err != nil {
		given.note(err)
		return given
	}
	for _, found := range cache.GetErrors() {
		for _, err := range found {
			given.note(err)
		}
	}
	for _, vendor := range cache.ListVendors() {
		for _, spec := range cache.GetVendorSpecs(vendor) {
			given.Minimum[spec.GetPath()], err = cdispecs.MinimumRequiredVersion(spec.Spec)
			given.note(err)
		}
	}
	_, err = cache.InjectDevices(given.Container, asked.Devices...)
	given.note(err)
	return given
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(ask(asked)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
