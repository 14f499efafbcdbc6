const place = document.getElementById("swagger-ui");
const address = new URL(place.dataset.document, location.href);
fetch(address)
  .then((answer) => answer.json())
  .then((spec) => {
    // "Try it out" asks the server that this page came from: it may be looked at under another name than its public one.
    spec.servers = [{ url: new URL(".", address).href.replace(/\/$/, "") }];
    SwaggerUIBundle({
      domNode: place,
      spec,
      deepLinking: true,
      presets: [SwaggerUIBundle.presets.apis],
      // No third party learns what is looked at.
      validatorUrl: null,
    });
  });
