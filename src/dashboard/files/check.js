// What the API says of a text while it is being typed: <textarea data-check="ID of the note">, in a form with
// data-check-at. Without a script it is said when the form is saved.
for (const area of document.querySelectorAll('[data-check]')) {
  const note = document.getElementById(area.dataset.check);
  const form = area.form;
  if (!note || !form || !form.dataset.checkAt) continue;
  let timer = 0;
  let asked = 0;
  const say = (text, state) => {
    note.textContent = text;
    note.classList.toggle('is-fine', state === 'fine');
    note.classList.toggle('is-wrong', state === 'wrong');
  };
  const check = async () => {
    asked += 1;
    const turn = asked;
    if (area.value.trim() === '') return say('');
    const body = new URLSearchParams({ csrf: form.elements.csrf.value, field: area.name, text: area.value });
    try {
      const answer = await fetch(form.dataset.checkAt, { method: 'POST', body, headers: { accept: 'application/json' } });
      if (!answer.ok) throw new Error(answer.statusText);
      const verdict = await answer.json();
      // A later one may have been answered first.
      if (turn !== asked) return;
      say(verdict.fine ? 'This can be used.' : verdict.message, verdict.fine ? 'fine' : 'wrong');
    } catch {
      if (turn === asked) say('');
    }
  };
  area.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  });
}
