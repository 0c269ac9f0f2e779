// A brand's page as it would use Accord.
"use strict";
(async () => {
  const one = (selector) => document.querySelector(selector);
  const { key, language, product } = document.body.dataset;
  const signedIn = JSON.parse(sessionStorage.getItem("signed in") || "null");

  // ---- the row "for you" --------------------------------------------------------

  const did = { view: "looked at", purchase: "bought", cart: "put into the basket", like: "like" };
  function because(reasons) {
    const own = reasons.find((r) => r.code === "because_item" || r.code === "told");
    if (own) return own.code === "told" ? "because you told us so" : `because of what you ${did[own.action] || "chose"}`;
    return reasons.some((r) => r.code === "popular") ? "popular with everybody" : "";
  }

  function card(item) {
    const li = document.createElement("li"), a = document.createElement("a"), img = new Image(150, 150);
    const b = document.createElement("b"), price = document.createElement("span"), why = document.createElement("small");
    a.href = "/shop/product/" + encodeURIComponent(item.id);
    img.src = item.picture;
    img.alt = "";
    b.textContent = item.title;
    price.className = "soft";
    price.textContent = new Intl.NumberFormat("en-GB", { style: "currency", currency: item.currency }).format(item.price);
    why.textContent = because(item.reasons);
    a.append(img, b, price, why);
    li.append(a);
    return li;
  }

  let asked = 0;
  async function row() {
    const mine = ++asked;
    const answer = await accord.decide({ n: 6, exclude: product ? [product] : [] }).catch(() => null);
    if (mine !== asked || !answer) return true; // a newer question is on its way, or the shop goes on without
    one("[data-you]").replaceChildren(...answer.items.map(card));
    one("[data-badge]").textContent = answer.personal ? "Personal" : "The same for everybody";
    one("[data-badge]").classList.toggle("on", answer.personal);
    const show = [answer.receipt.otherwise, ...(answer.obligations || []).map((o) => o.text)];
    one("[data-why]").textContent = show.filter(Boolean).join(" ");
    return answer.personal;
  }

  document.addEventListener("accord:change", row);

  // ---- what a customer can do ------------------------------------------------------

  function show(name) {
    one("[data-sign-in]").hidden = Boolean(name);
    one("[data-signed-in]").hidden = !name;
    one("[data-name]").textContent = name;
  }

  one("[data-sign-in]").addEventListener("submit", async (e) => {
    e.preventDefault();
    const select = one("#customer"), name = select.selectedOptions[0].text;
    const response = await fetch("/shop/sign-in", { method: "POST", body: new URLSearchParams({ customer: select.value }) });
    const { token } = await response.json();
    sessionStorage.setItem("signed in", JSON.stringify({ token, name }));
    show(name);
    await accord.identify(token);
  });

  one("[data-sign-out]").addEventListener("click", async () => {
    sessionStorage.removeItem("signed in");
    show("");
    await accord.signOut();
  });

  one("[data-ask]").addEventListener("click", () => accord.ask());
  one("[data-me]").addEventListener("click", async (e) => {
    e.preventDefault();
    location.href = await accord.me();
  });
  one("[data-add]")?.addEventListener("click", async () => {
    accord.track("Product Added", { product_id: product, quantity: 1 });
    one("[data-added]").textContent = "It is in your basket.";
  });

  show(signedIn?.name || "");
  // The simulated shop sells in Britain; where nobody said so, the strictest law of all would count.
  await accord.init({ url: location.origin, key, language, shopToken: signedIn?.token, jurisdiction: "GB" });
  if (product) {
    await accord.track("Product Viewed", { product_id: product });
    // What was just seen counts a moment after it was taken.
    for (let wait = 100; accord.consent("personalization") && !await row() && wait < 3000; wait *= 2) {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
})();
