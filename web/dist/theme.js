// Runs before the first paint, so that a remembered theme does not flash.
// ?theme=dark or ?theme=light shows one theme without remembering it.
(function () {
  var theme = new URLSearchParams(location.search).get('theme');
  try {
    theme = theme || localStorage.getItem('ratadns.theme');
  } catch (e) {
    // Storage may be switched off; the system's theme does.
  }
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
})();
