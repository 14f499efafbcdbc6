const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  // No third party learns what is looked at.
  validatorUrl: null,
});
