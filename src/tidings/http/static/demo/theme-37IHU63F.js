"use strict";(()=>{var t=(()=>{try{return localStorage.getItem("tidings-demo:theme")}catch{return null}})();(t==="light"||t==="dark")&&(document.documentElement.dataset.theme=t);})();
