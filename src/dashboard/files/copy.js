// A button that copies the text of another element: <button data-copy="ID" hidden>. Without a script it stays hidden. It
// may be in a part of the page that is replaced (live.js), so the document listens for all of them.
if (navigator.clipboard) {
  const show = () => {
    for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false;
  };

  document.addEventListener('click', async ({ target }) => {
    const button = target.closest?.('[data-copy]');
    const source = button && document.getElementById(button.dataset.copy);
    if (!source) return;
    button.dataset.label ??= button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not allowed: select the text';
    }
    setTimeout(() => { button.textContent = button.dataset.label; }, 2000);
  });
  document.addEventListener('replaced', show);
  show();
}
