// What a button has done is said once: an address that is kept, shared or loaded again does not say it again.
{
  const address = new URL(location.href);
  if (address.searchParams.has('done')) {
    address.searchParams.delete('done');
    history.replaceState(history.state, '', address);
  }
}
