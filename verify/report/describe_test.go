package report

import (
	"reflect"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// TestEveryFieldIsDescribed changes each field of an Offer and of its Setup in turn: what is tried has other
// words then. A field that the page does not speak of would hide what a case is about.
func TestEveryFieldIsDescribed(t *testing.T) {
	base := verify.Offer{Who: verify.Python, Act: verify.Serve, Version: wire.TLS12}
	plain := describeOffer(base)
	var walk func(name string, field reflect.Value, offer *verify.Offer)
	walk = func(name string, field reflect.Value, offer *verify.Offer) {
		switch field.Kind() {
		case reflect.Struct:
			for i := range field.NumField() {
				walk(name+"."+field.Type().Field(i).Name, field.Field(i), offer)
			}
			return
		case reflect.String:
			was := field.String()
			field.SetString("planted")
			defer field.SetString(was)
		case reflect.Bool:
			field.SetBool(true)
			defer field.SetBool(false)
		case reflect.Uint16, reflect.Uint8:
			was := field.Uint()
			field.SetUint(0x0301)
			defer field.SetUint(was)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			defer field.SetZero()
		default:
			t.Fatalf("%s: this test does not know fields of the kind %s", name, field.Kind())
		}
		if describeOffer(*offer) == plain {
			t.Errorf("what is tried has the same words whatever %s is", name)
		}
	}
	offer := base
	walk("Offer", reflect.ValueOf(&offer).Elem(), &offer)
}

// TestCasesAreToldApart: two cases of one proof that try different things are described differently.
func TestCasesAreToldApart(t *testing.T) {
	libraries := []verify.Installed{{Library: verify.Psycopg2, Version: "2.9.10 (libpq 17.11)"},
		{Library: verify.Psql, Version: "17.11 (libpq 17.11)"}}
	seen := map[string]verify.Case{}
	cases := verify.CasesOf(verify.KindToolchain, verify.TLS12, "3.5.7", "3.13.15", libraries...)
	if len(cases) < 100 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		text := describeOffer(c.Offer)
		if other, ok := seen[text]; ok && !reflect.DeepEqual(other.Offer, c.Offer) {
			t.Errorf("%s and %s are both %q", c.Name, other.Name, text)
		}
		seen[text] = c
	}
}
