() => { // a result comes into view where it is not, as on a phone
  const result = document.querySelector('PLACE');
  const top = result.getBoundingClientRect().top;
  if (top < 0 || top > 0.8 * innerHeight) result.scrollIntoView({behavior: 'smooth'});
}
