for (const box of document.querySelectorAll(".browse")) {
  const [state, category, words] = box.querySelectorAll("select, input"), count = box.querySelector(".count");
  const samples = [...box.querySelectorAll(".sample")];
  const show = () => {
    let shown = 0;
    for (const s of samples) {
      const fits = (!state.value || s.dataset.state.split(" ").includes(state.value)) &&
        (!category.value || s.dataset.category.split("|").includes(category.value)) &&
        s.textContent.toLowerCase().includes(words.value.toLowerCase());
      s.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown + " / " + samples.length;
  };
  for (const field of [state, category, words]) field.addEventListener("input", show);
  show();
}
