// Two languages. The page is written in English; in Chinese, every text that the catalogue knows is
// replaced where it stands, also when it arrives later. The language is the address's, else the one
// that was chosen before, else the browser's.
window.cxLanguage = (() => {
  const catalogue = window.cxCatalogue || {}, ATTRIBUTES = ['aria-label', 'placeholder', 'title', 'alt'];
  const BLOCKS = 'p, h2, h3, summary'; // with emphasis inside: turned as a whole
  const english = new WeakMap(); // a text node or an element's attribute -> what it said
  let language = 'en', watcher = null;
  const known = (lang) => (/^zh/i.test(lang || '') ? 'zh' : /^en/i.test(lang || '') ? 'en' : null);
  const stored = () => { try { return window.localStorage.getItem('cx-language'); } catch { return null; } };
  const wanted = () => known(new URLSearchParams(window.location.search).get('lang')) || known(stored()) ||
    navigator.languages.map(known).find(Boolean) || 'en';

  function turn(text) { // the translation, with the blanks around it; null where there is none
    const core = text.trim().replace(/\s+/g, ' ');
    return core && Object.hasOwn(catalogue, core) ? text.replace(text.trim(), () => catalogue[core]) : null;
  }
  function nameSwitch(button) {
    const other = language === 'zh' ? ['English', 'en'] : ['中文', 'zh-CN'];
    if (button.textContent !== other[0]) button.textContent = other[0];
    button.lang = other[1];
  }
  function translateText(node) {
    const made = turn(node.data);
    if (made === null) return;
    const tab = node.parentElement?.closest('[role=tab]');
    if (tab) tab.dataset.cxText = node.data.trim();
    english.set(node, {said: node.data, made});
    node.data = made;
  }
  function translateElement(part) {
    if (part.matches?.('.cx-language')) nameSwitch(part);
    for (const name of ATTRIBUTES) {
      const said = part.getAttribute?.(name), made = said ? turn(said) : null;
      if (made === null) continue;
      const kept = english.get(part) || {};
      kept[name] = {said, made};
      english.set(part, kept);
      part.setAttribute(name, made);
    }
    if (!part.matches?.(BLOCKS)) return;
    const said = part.textContent.trim().replace(/\s+/g, ' ');
    if (!Object.hasOwn(catalogue, said) || !part.children.length) return;
    english.set(part, {...english.get(part), block: part.innerHTML});
    part.textContent = catalogue[said];
  }
  function each(root, text, element) {
    if (root.nodeType === Node.TEXT_NODE) { text(root); return; }
    if (root.nodeType !== Node.ELEMENT_NODE || root.closest('script, style, textarea, .cxs')) return;
    element(root);
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
      (node.nodeType === Node.ELEMENT_NODE && node.matches('script, style, textarea, .cxs') ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
    const found = [];
    while (walk.nextNode()) found.push(walk.currentNode);
    found.forEach((node) => (node.nodeType === Node.TEXT_NODE ? text(node) : element(node)));
  }
  const toChinese = (root) => each(root, translateText, translateElement);
  const toEnglish = (root) => each(root, (node) => {
    const kept = english.get(node);
    if (kept && node.data === kept.made) node.data = kept.said;
  }, (part) => {
    const kept = english.get(part) || {};
    if (kept.block && part.isConnected) { part.innerHTML = kept.block; delete kept.block; }
    for (const name of ATTRIBUTES) if (kept[name] && part.getAttribute(name) === kept[name].made) part.setAttribute(name, kept[name].said);
  });

  function watch() {
    watcher = new MutationObserver((changes) => changes.forEach((change) => {
      if (change.type === 'characterData') translateText(change.target);
      else if (change.type === 'attributes') translateElement(change.target);
      else change.addedNodes.forEach(toChinese);
    }));
    watcher.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES});
  }
  function apply() {
    watcher?.disconnect();
    watcher = null;
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    if (language === 'zh') { toChinese(document.body); watch(); } else toEnglish(document.body);
    document.querySelectorAll('.cx-language').forEach(nameSwitch);
  }
  function set(lang, {note = true} = {}) {
    language = known(lang) || 'en';
    if (note) { try { window.localStorage.setItem('cx-language', language); } catch { /* a private window */ } }
    apply();
    window.dispatchEvent(new Event('cx-language'));
  }
  document.addEventListener('click', (event) => {
    if (!event.target.closest?.('.cx-language')) return;
    const next = language === 'zh' ? 'en' : 'zh';
    set(next);
    window.cxAddress?.write({lang: next});
  });
  window.addEventListener('cx-address', () => { if (wanted() !== language) set(wanted(), {note: false}); else apply(); });
  const given = known(new URLSearchParams(window.location.search).get('lang'));
  if (given) { try { window.localStorage.setItem('cx-language', given); } catch { /* a private window */ } }
  language = wanted();
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  if (document.body) apply(); else document.addEventListener('DOMContentLoaded', apply);
  return {get: () => language, set};
})();
