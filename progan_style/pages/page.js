for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input"), place = slider.querySelector("output"), strip = slider.querySelector("img");
  const frames = Number(slider.dataset.frames);
  const show = () => {
    strip.style.transform = `translateY(${(-100 * range.value) / frames}%)`;
    const way = Math.round((100 * range.value) / (frames - 1));
    place.value = way === 0 ? `as ${slider.dataset.from}` : way === 100 ? `as ${slider.dataset.to}`
      : `${way} % of the way from ${slider.dataset.from} to ${slider.dataset.to}`;
    range.setAttribute("aria-valuetext", place.value);
  };
  range.addEventListener("input", show);
  show();
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash.startsWith("#large-")) location.hash = location.hash.replace("large", "figure");
});
