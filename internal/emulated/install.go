package emulated

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// files are the pinned versions and the scripts that start them.
//
//	DIR/node-HASH      kinesalite and dynalite
//	DIR/java-HASH      DynamoDB Local
//	DIR/python-HASH    moto
//
// HASH is that of the files that the folder was made from, so another version of Yagura makes another folder.
//
//go:embed parts
var files embed.FS

// doneName is the file that is written last into an installed folder: without it, the folder is made anew.
const doneName = "installed"

// kit is what one runtime runs, and how it is installed.
type kit struct {
	name  string
	files []string
	says  string
	needs []need
	steps func(dir string) [][]string
}

// need is a program that must be there already.
type need struct {
	check          []string // a command that succeeds if it is
	name           string
	debian, amazon string // the packages that have it
}

var (
	nodeKit = &kit{
		name: "node", says: "kinesalite and dynalite (npm, about 25 MB)",
		files: []string{"package.json", "package-lock.json", "serve.js"},
		needs: []need{
			{[]string{"node", "--version"}, "Node.js", "nodejs", "nodejs"},
			{[]string{"npm", "--version"}, "npm", "npm", "npm"},
		},
		steps: func(string) [][]string {
			return [][]string{{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"}}
		},
	}
	javaKit = &kit{
		name: "java", says: "DynamoDB Local (Maven, about 55 MB)",
		files: []string{"pom.xml", "Serve.java"},
		needs: []need{
			{[]string{"java", "--version"}, "Java 17 or later", "default-jre-headless", "java-17-amazon-corretto-headless"},
			{[]string{"mvn", "--version"}, "Maven", "maven", "maven"},
		},
		steps: func(dir string) [][]string {
			lib := filepath.Join(dir, "lib")
			return [][]string{
				{"mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + lib},
				// Eclipse's compiler, because a Java runtime has none.
				{"java", "-classpath", filepath.Join(lib, "*"), "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-d", dir, "Serve.java"},
			}
		},
	}
	pythonKit = &kit{
		name: "python", says: "moto (pip, about 100 MB, takes a minute)",
		files: []string{"requirements.txt", "serve.py"},
		needs: []need{{[]string{"python3", "-c", "import ensurepip, venv"}, "Python 3 with venv", "python3-venv", "python3-pip"}},
		steps: func(string) [][]string {
			return [][]string{
				{"python3", "-m", "venv", "venv"},
				{filepath.Join("venv", "bin", "python"), "-m", "pip", "install", "--quiet", "--no-compile", "--requirement", "requirements.txt"},
			}
		},
	}
	kits = []*kit{nodeKit, javaKit, pythonKit}
)

// Install brings the parts' pinned versions into a folder, where they aren't there yet, by npm, Maven and pip. It may run in several
// processes at once: one installs, the others wait. What an earlier one left half done is done again. Report is told what is going on.
func Install(ctx context.Context, dir string, report func(string)) error {
	return install(ctx, dir, report, kits)
}

func install(ctx context.Context, dir string, report func(string), kits []*kit) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "lock")).Lock()
	if err != nil {
		return err
	}
	defer unlock()
	var todo []*kit
	for _, k := range kits {
		if _, err := os.Stat(filepath.Join(k.dir(dir), doneName)); err != nil {
			todo = append(todo, k)
		}
	}
	if err := missing(ctx, todo); err != nil {
		return err
	}
	for _, k := range todo {
		report("installing " + k.says)
		if err := k.install(ctx, k.dir(dir)); err != nil {
			return fmt.Errorf("install %s into %s: %w", k.says, k.dir(dir), err)
		}
	}
	return nil
}

// missing names all that must be there already and isn't.
func missing(ctx context.Context, kits []*kit) error {
	var names, debian, amazon []string
	for _, k := range kits {
		for _, n := range k.needs {
			if exec.CommandContext(ctx, n.check[0], n.check[1:]...).Run() != nil {
				names, debian, amazon = append(names, n.name), append(debian, n.debian), append(amazon, n.amazon)
			}
		}
	}
	if len(names) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the emulated AWS needs %s, which this machine lacks (or which fails). Install it:\n"+
		"  Debian, Ubuntu: apt install %s\n  Amazon Linux: dnf install %s",
		strings.Join(names, ", "), strings.Join(debian, " "), strings.Join(amazon, " "))
}

// dir is the kit's folder.
func (k *kit) dir(parts string) string {
	sum := sha256.New()
	for _, name := range k.files {
		sum.Write(embedded(name))
	}
	return filepath.Join(parts, k.name+"-"+hex.EncodeToString(sum.Sum(nil)[:4]))
}

// embedded returns one of the files, which the compiler put there.
func embedded(name string) []byte {
	text, err := files.ReadFile("parts/" + name)
	if err != nil {
		panic(err)
	}
	return text
}

func (k *kit) install(ctx context.Context, dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	for _, name := range k.files {
		if err := os.WriteFile(filepath.Join(dir, name), embedded(name), 0o644); err != nil {
			return err
		}
	}
	for _, step := range k.steps(dir) {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, lastWords(out))
		}
	}
	return os.WriteFile(filepath.Join(dir, doneName), nil, 0o644)
}

// lastWords is the end of a program's output.
func lastWords(out []byte) string {
	const most = 4 << 10
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return strings.TrimSpace(string(out))
}
