// Package web serves what people see in a browser: the faces of Accord, and the
// demonstration.
//
// [Faces] are for every shop: /accord.js, one script without dependencies that a
// brand's page loads for the banner, for choices that the person's own key signs,
// for events and for answers; and /me, where a person sees what may be used and
// changes it at once. Both speak to the API as any page does. Their words are one
// file a language in languages/.
//
//	api.Config{Pages: web.Faces(logger), …}
//
// [NewShop] is a brand's page that uses them, in the demonstration at /shop. [New]
// is the page behind it at /demo: what Accord does, live, for somebody who has
// never seen it. That page shows events arriving (which fields were kept, which
// were dropped and why), decisions leaving (personal or not, with their reasons)
// and reads that the gate refused. One customer is chosen; every purpose of the
// declaration has a switch in the declaration's own words, and flipping one
// shows the next answer beside the one of before, each with its receipt in
// plain words.
//
//	feed := web.NewFeed()
//	mux.Handle("/demo/", web.New(web.Config{Demo: demo, Feed: feed, Counters: counters, Picture: picture}))
//	server.RegisterOnShutdown(feed.Close) // ends the pages' streams
//	feed.Publish(web.Activity{Time: now, Refusal: &web.Refusal{…}})
//
// All pages are HTML from the server; on /demo a small script swaps parts of it and
// listens to one stream of server-sent events. It needs nothing from elsewhere,
// runs under a Content-Security-Policy without inline code, and works without
// the script except for what is live.
//
// Promises kept here: 1 and 6, made visible: why something was dropped or
// refused stands beside it, and every answer shows its receipt. And some of the
// package's own:
//
//   - Refusing takes as many touches as accepting and looks the same; who refuses
//     all is given no id for it.
//   - An event leaves with the fields alone that the choices of the moment allow.
//   - Publish never waits. A page that cannot follow loses activities, and is
//     told how many.
//   - Nothing that came from outside is ever taken for markup or script.
//   - Only a page of this server can flip a switch.
//
// Non-goals: deciding who may see the demo (its customers are simulated, so
// everybody may), and the console.
package web
