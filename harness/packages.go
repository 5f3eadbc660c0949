package harness

import (
	"net/http"

	"assay/fixtures/packages"
	"assay/suites/check"
)

// rpms serves the packages that guests layer: signed at the root, the same
// without signatures below /unsigned.
type rpms struct {
	http.Handler
	env *check.Packages
}

func newPackages() (*rpms, error) {
	key, err := packages.NewKey("Assay test packages")
	if err != nil {
		return nil, err
	}
	public, err := key.Public()
	if err != nil {
		return nil, err
	}
	signed, err := packages.NewRepo(key, packages.Catalogue()...)
	if err != nil {
		return nil, err
	}
	unsigned, err := packages.NewRepo(nil, packages.Catalogue()...)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", signed.Handler())
	mux.Handle("/unsigned/", http.StripPrefix("/unsigned", unsigned.Handler()))
	url := "http://" + atGateway(packagesPort)
	env := &check.Packages{URL: url + "/", UnsignedURL: url + "/unsigned/", Key: string(public), ServicePort: packages.ServicePort,
		ServiceUnit: packages.ServiceUnit, ServiceAnswer: packages.ServiceAnswer, Names: map[string]string{}, Files: map[string]string{}}
	for purpose, p := range map[string]packages.Package{
		"hello": packages.Hello, "hello-next": packages.HelloNext, "friend": packages.Friend, "service": packages.Service,
		"settings": packages.Settings, "recommender": packages.Recommender, "unsigned": packages.Unsigned,
		"conflicting": packages.Conflicting, "clashing": packages.Clashing, "needy": packages.Needy, "failing": packages.Failing,
		"greeting-next": packages.GreetingNext,
	} {
		env.Names[purpose] = p.Name
		env.Files[purpose] = p.FileName()
	}
	return &rpms{mux, env}, nil
}
