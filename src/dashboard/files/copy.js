// A button that copies the text of another element: <button data-copy="ID" hidden>. Without a script it stays hidden.
for (const button of document.querySelectorAll('[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not allowed: select the text';
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
