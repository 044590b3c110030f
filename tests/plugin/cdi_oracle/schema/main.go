// Command schema answers what the published JSON schema says to CDI files: each line of its input
// is a path, each line of its output a JSON string, which is empty where the file is right.
//
// It is a module of its own: this is the newest version of the package that holds its schema.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"tags.cncf.io/container-device-interface/schema"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		text := ""
		if err := schema.ValidateFile(lines.Text()); err != nil {
			text = err.Error()
		}
		if err := answers.Encode(text); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
