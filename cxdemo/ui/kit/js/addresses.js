// The address of the page: which tab, which section, which step, in which language. It changes with
// what is shown, without a reload; Back and Forward show it again.
window.cxAddress = (() => {
  const LASTING = ['lang', 'present', '__theme', 'view']; // what stays when another tab is opened
  const memory = {}; // what the address said of a tab when it was left
  const read = () => new URLSearchParams(window.location.search);
  const slug = (text) => text.trim().toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
  const put = (search, push) => {
    const text = search.toString(), address = `${window.location.pathname}${text ? `?${text}` : ''}`;
    if (address === `${window.location.pathname}${window.location.search}`) return;
    window.history[push ? 'pushState' : 'replaceState'](null, '', address);
  };
  const write = (changes, {push = false} = {}) => {
    const search = read();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') search.delete(name); else search.set(name, value);
    }
    put(search, push);
  };

  // Gradio's tabs: the outer ones first, then those inside the one that is open.
  const lists = () => [...document.querySelectorAll('#cx-tabs .tab-container[role=tablist], #cx-tabs [role=tablist]')]
    .filter((list, k, all) => all.indexOf(list) === k && list.offsetParent !== null && !list.closest('.visually-hidden'));
  const nameOf = (button) => (/[a-z]/.test(button.dataset.tabId || '') ? button.dataset.tabId : slug(button.dataset.cxText || button.textContent));
  const outer = () => lists().find((list) => list.closest('.tabs')?.id === 'cx-tabs');
  const inner = () => lists().filter((list) => list.closest('.tabs')?.id !== 'cx-tabs');
  const tabsOf = (list) => [...list.querySelectorAll('button[role=tab]')];
  const chosen = (list) => tabsOf(list).find((tab) => tab.getAttribute('aria-selected') === 'true');
  const pick = (list, wanted) => {
    const tab = tabsOf(list).find((t) => nameOf(t) === wanted) || tabsOf(list).find((t) => nameOf(t).includes(wanted));
    if (tab && tab.getAttribute('aria-selected') !== 'true') tab.click();
    return tab;
  };
  const first = () => nameOf(tabsOf(outer())[0]);

  let following = false, current = null;
  const mark = () => { const list = outer(); if (list) document.body.classList.toggle('cx-on-start', chosen(list) === tabsOf(list)[0]); };

  function noteTab(tab, own) { // a tab was opened, by the visitor's own hand or by `pick`
    const list = tab.closest('[role=tablist]'), isOuter = list === outer(), name = nameOf(tab);
    mark();
    if (following && !own) return;
    if (!isOuter) { write({section: name}, {push: true}); return; }
    if (current === name) return;
    if (current) memory[current] = window.location.search;
    const search = new URLSearchParams(memory[name] || '');
    for (const key of LASTING) { const value = read().get(key); if (value) search.set(key, value); else search.delete(key); }
    if (name !== first()) search.set('tab', name); else search.delete('tab');
    current = name;
    put(search, true);
    if (name === first()) window.dispatchEvent(new Event('cx-address'));
  }

  const wait = (test, tries = 60) => new Promise((done) => {
    const look = (left) => { const found = test(); if (found || !left) done(found); else setTimeout(() => look(left - 1), 50); };
    look(tries);
  });

  async function follow() { // show what the address says
    following = true;
    const search = read();
    await wait(outer);
    if (!outer()) { following = false; return; }
    const wanted = search.get('tab') || first();
    pick(outer(), wanted);
    current = wanted;
    const section = search.get('section');
    if (section) await wait(() => inner().some((list) => pick(list, section)), 80);
    mark();
    setTimeout(() => { following = false; }, 100);
    window.dispatchEvent(new Event('cx-address'));
  }

  function go(href) { // a link inside the page
    const url = new URL(href, window.location.href);
    for (const key of ['lang', '__theme']) { const value = read().get(key); if (value) url.searchParams.set(key, value); }
    window.history.pushState(null, '', url);
    document.body.classList.remove('cx-present');
    follow().then(() => { openExample(url.searchParams.get('card')); window.scrollTo({top: 0}); });
  }

  // A card of an example that is clicked is part of the address, and comes back with it.
  const cards = () => [...document.querySelectorAll('#cx-tabs button[data-index]')].filter((b) => b.offsetParent !== null && !b.closest('.cx-thumbs'));
  async function openExample(index) {
    if (index === null || read().get('tab') === 'patch-similarity') return;
    const card = await wait(() => cards().find((b) => b.dataset.index === index), 80);
    if (card) { following = true; card.click(); following = false; }
  }

  document.addEventListener('click', (event) => {
    const tab = event.target.closest?.('#cx-tabs button[role=tab]');
    if (tab) { setTimeout(() => noteTab(tab, event.isTrusted)); return; }
    const card = event.target.closest?.('#cx-tabs button[data-index]');
    if (card && !following && !card.closest('.cx-thumbs') && read().get('tab') !== 'patch-similarity') write({card: card.dataset.index}, {push: false});
  });
  window.addEventListener('popstate', () => { follow(); });
  const begin = () => follow().then(() => openExample(read().get('card')));
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin); else begin();
  return {read, write, go, follow};
})();
