// A page that looks again when something has changed: <button data-live="ADDRESS" hidden> names the stream that says so, and
// [data-live-part] is then replaced by the same part of the page as it is now. The server has escaped it as on every page,
// and it is parsed as a document of its own, in which nothing runs. Without a script the button stays hidden.
for (const button of document.querySelectorAll('[data-live]')) {
  const KINDS = ['queued', 'held', 'started', 'completed', 'failed', 'cancelled'].map((kind) => `execution.${kind}`);
  const BETWEEN_LOOKS = 2000;
  const COME_BACK = 5000;
  const note = document.querySelector('[data-live-note]');
  const part = () => document.querySelector('[data-live-part]');
  let source;
  let lastLook = 0;
  let nextLook;
  let comeBack;
  let wanted = true;

  const say = (text) => { if (note.textContent !== text) note.textContent = text; };

  // What tells an element that may have the focus from the others.
  const key = (element) => [element.tagName, element.getAttribute('href'), element.form?.getAttribute('action'),
    element.name, element.value, element.textContent.slice(0, 99)].join(' ');

  // What whoever looks at it has done to it goes along: boxes that are ticked, and details that are open or shut.
  const keep = (before, now) => {
    const box = (element) => `${element.name} ${element.value}`;
    const ticked = new Map([...before.querySelectorAll('[type=checkbox]')].map((input) => [box(input), input.checked]));
    for (const input of now.querySelectorAll('[type=checkbox]')) input.checked = ticked.get(box(input)) ?? input.checked;
    const summary = (details) => details.querySelector('summary')?.textContent;
    const open = new Map([...before.querySelectorAll('details')].map((details) => [summary(details), details.open]));
    for (const details of now.querySelectorAll('details')) details.open = open.get(summary(details)) ?? details.open;
  };

  const replace = (fresh) => {
    const before = part();
    const focus = before.contains(document.activeElement) ? document.activeElement : null;
    // Not while somebody types.
    if (focus?.matches('input:not([type=checkbox]), select, textarea')) return;
    const now = document.adoptNode(fresh);
    keep(before, now);
    before.replaceWith(now);
    document.dispatchEvent(new Event('replaced'));
    if (!focus) return;
    const same = [...now.querySelectorAll('a, button, pre, summary, input')].find((element) => key(element) === key(focus));
    same?.focus({ preventScroll: true });
  };

  const look = async () => {
    nextLook = undefined;
    lastLook = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      // The session has ended: the way to the door is the browser's.
      if (answer.redirected) return void location.reload();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('[data-live-part]');
      if (wanted && fresh && !fresh.isEqualNode(part())) replace(fresh);
    } catch {
      say('The server cannot be reached.');
    }
  };

  const lookSoon = () => {
    nextLook ??= setTimeout(look, Math.max(200, lastLook + BETWEEN_LOOKS - Date.now()));
  };

  const stop = () => {
    source?.close();
    source = undefined;
    clearTimeout(comeBack);
    clearTimeout(nextLook);
    nextLook = undefined;
  };

  const start = () => {
    stop();
    source = new EventSource(button.dataset.live);
    // Whatever happened while nobody listened is on the page as it is now.
    source.addEventListener('open', () => { say('Updates as it happens.'); lookSoon(); });
    for (const kind of [...KINDS, 'reset']) source.addEventListener(kind, lookSoon);
    source.addEventListener('end', () => {
      stop();
      look();
      button.hidden = true;
      wanted = true;
      say('The run has ended.');
    });
    source.addEventListener('error', () => {
      say('Connecting again.');
      // A refusal is for good to an EventSource: try again by hand.
      if (source?.readyState === EventSource.CLOSED) { lookSoon(); comeBack = setTimeout(start, COME_BACK); }
    });
  };

  button.hidden = false;
  button.addEventListener('click', () => {
    wanted = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(wanted));
    if (wanted) return start();
    stop();
    say('Paused.');
  });
  document.addEventListener('visibilitychange', () => {
    if (button.hidden || !wanted) return;
    if (document.hidden) stop(); else start();
  });
  if (!document.hidden) start();
}
