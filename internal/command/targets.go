package command

import (
	"context"
	"fmt"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
)

// does is what runs for each target of package usage.
var does = map[string]func(*command, context.Context) error{
	"build":         twice((*command).build),
	"plan":          (*command).plan,
	"fetch":         (*command).fetch,
	"vendor":        (*command).vendor,
	"bundle:write":  (*command).bundle,
	"bundle:verify": (*command).bundleVerify,
	"publish":       (*command).publish,
	"keys:init":     (*command).keysInit,
	"keys:list":     (*command).keysList,
	"keys:rotate":   (*command).keysRotate,
	"keys:sign":     (*command).keysSign,
	"keys:refresh":  (*command).keysRefresh,
	"install":       (*command).installBundle,
	"verify":        twice((*command).verify),
	"serve":         (*command).serve,
	"explain":       (*command).explainError,
	"status":        (*command).status,
	"rollback":      (*command).rollback,
	"uninstall":     (*command).uninstall,
	"dist":          (*command).dist,
	"doctor":        (*command).doctor,
	"completion":    (*command).completion,
	"clean":         (*command).clean,
	"store:gc":      (*command).storeGC,
	"store:check":   (*command).storeCheck,
	"trust:list":    (*command).trustList,
	"trust:add":     (*command).trustAdd,
	"trust:remove":  (*command).trustRemove,
	"trust:check":   (*command).trustCheck,
	"audit:env":     (*command).auditEnv,
	"audit:pid":     (*command).auditPid,
	"audit:pins":    (*command).auditPins,
	"profile":       (*command).trained,
	"bump":          (*command).bump,
	"rebuild":       (*command).rebuild,
	"bench":         (*command).bench,
	"enter":         (*command).enter,
	"check":         (*command).check,
	"test":          (*command).test,
}

// twice runs a target once more when the store lost something on the way.
func twice(do func(*command, context.Context) error) func(*command, context.Context) error {
	return func(c *command, ctx context.Context) error {
		return c.again(ctx, func(ctx context.Context) error { return do(c, ctx) })
	}
}

// Run runs a target of the table with what was said on the command line.
func Run(ctx context.Context, name string, f Flags) error {
	t, ok := usage.Find(name)
	if !ok {
		panic(fmt.Sprintf("there is no target %s", name)) // a test compares magefile.go with the table
	}
	return run(ctx, t, f, does[t.Name])
}
