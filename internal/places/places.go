// Package places finds the place of a network address, for the law.
//
// The operator supplies a database in MaxMind's format (GeoLite2 or GeoIP2 Country
// or City, DB-IP, IPinfo and others write it); Accord ships none and asks nobody
// on the network. The address is used for one look-up and kept nowhere.
//
//	db, err := places.Open("GeoLite2-City.mmdb")
//	place := db.Place(netip.MustParseAddr("192.0.2.1")) // "US-CA"; "" where it is not known
//
// Promises kept here: 1 (an address of nowhere known is of nowhere known, so the
// strictest law counts), 4 (no address is kept).
//
// Non-goals: what the law of a place is (package law), where a request says that
// it comes from (package api).
package places

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"accord/internal/law"
)

// DB is an open database. It is safe for concurrent use.
type DB struct{ reader *maxminddb.Reader }

// Open opens a database and checks that it tells countries.
func Open(file string) (*DB, error) {
	r, err := maxminddb.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the database of places: %w: give a file in MaxMind's format (.mmdb) that tells countries", err)
	}
	db := &DB{r}
	if err := db.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return db, nil
}

// check looks for one network whose country the database tells.
func (db *DB) check() error {
	const enough = 10_000
	n := 0
	for result := range db.reader.Networks() {
		if place, err := placeOf(result); err == nil && place != "" {
			return nil
		}
		if n++; n == enough {
			break
		}
	}
	if err := db.reader.Close(); err != nil {
		return err
	}
	return fmt.Errorf("this database tells no countries: use one of countries or cities, such as GeoLite2-Country.mmdb")
}

// Close ends the database.
func (db *DB) Close() error { return db.reader.Close() }

// Place returns where an address is: a country, or a part of one where the database
// tells it; "" where it is not known, or the database cannot be read there.
func (db *DB) Place(a netip.Addr) law.Place {
	if !a.IsValid() {
		return ""
	}
	place, err := placeOf(db.reader.Lookup(a.Unmap()))
	if err != nil {
		return ""
	}
	return place
}

// placeOf reads the country and the first part of it.
func placeOf(r maxminddb.Result) (law.Place, error) {
	var country, part string
	if err := r.DecodePath(&country, "country", "iso_code"); err != nil {
		return "", err
	}
	if err := r.DecodePath(&part, "subdivisions", 0, "iso_code"); err == nil && law.Place(country+"-"+part).Valid() {
		return law.Place(country + "-" + part), nil
	}
	if !law.Place(country).Valid() || len(country) != 2 {
		return "", nil
	}
	return law.Place(country), nil
}
