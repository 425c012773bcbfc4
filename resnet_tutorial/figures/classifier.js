// A trained ResNet in the reader's browser: plain JavaScript, no library, nothing sent anywhere.
(() => {
  const root = document.currentScript.parentElement, facts = FACTS;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);

  // The network. A worker runs a copy of this function, so it uses nothing from outside.
  function resnet() {
    const EPS = 1e-5; // of BatchNorm
    let tensors, blocks, mean, std;

    // A half-precision number: one bit of sign, five of exponent, ten of fraction.
    const half = (bits) => {
      const exponent = (bits >> 10) & 31, fraction = (bits & 1023) / 1024;
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
      return bits >> 15 ? -size : size;
    };

    // The file as `save_weights` writes it: eight bytes of length, a header in JSON, the numbers.
    function load(file) {
      const length = Number(new DataView(file).getBigUint64(0, true));
      const {__metadata__: about, ...entries} = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
      tensors = {};
      for (const [name, {dtype, shape, data_offsets: [from, to]}] of Object.entries(entries)) {
        const bytes = file.slice(8 + length + from, 8 + length + to);
        if (dtype === "F32") tensors[name] = {shape, data: new Float32Array(bytes)};
        if (dtype === "F16") tensors[name] = {shape, data: Float32Array.from(new Uint16Array(bytes), half)};
      }
      blocks = JSON.parse(about.architecture).blocks;
      [mean, std] = [JSON.parse(about.mean), JSON.parse(about.std)];
    }

    // Feature maps are {data, channels, size}: channel by channel, row by row.
    const maps = (channels, size) => ({data: new Float32Array(channels * size * size), channels, size});

    function padded(x, pad) {
      const out = maps(x.channels, x.size + 2 * pad);
      for (let c = 0; c < x.channels; c++) {
        for (let y = 0; y < x.size; y++) {
          const row = (c * x.size + y) * x.size;
          out.data.set(x.data.subarray(row, row + x.size), (c * out.size + y + pad) * out.size + pad);
        }
      }
      return out;
    }

    function convolve(x, name, stride) {
      const {shape: [outs, ins, kernel], data: weights} = tensors[name + ".weight"];
      const from = padded(x, kernel >> 1), out = maps(outs, Math.ceil(x.size / stride));
      for (let o = 0, w = 0; o < outs; o++) {
        for (let c = 0; c < ins; c++) {
          for (let ky = 0; ky < kernel; ky++) {
            for (let kx = 0; kx < kernel; kx++) {
              const weight = weights[w++];
              for (let y = 0; y < out.size; y++) {
                const row = (c * from.size + y * stride + ky) * from.size + kx, to = (o * out.size + y) * out.size;
                for (let i = 0; i < out.size; i++) out.data[to + i] += weight * from.data[row + i * stride];
              }
            }
          }
        }
      }
      return out;
    }

    function norm(x, name) {
      const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(
        (what) => tensors[`${name}.${what}`].data);
      const area = x.size * x.size;
      for (let c = 0; c < x.channels; c++) {
        const scale = weight[c] / Math.sqrt(variance[c] + EPS), shift = bias[c] - mean[c] * scale;
        for (let i = c * area; i < (c + 1) * area; i++) x.data[i] = x.data[i] * scale + shift;
      }
      return x;
    }

    function relu(x) {
      for (let i = 0; i < x.data.length; i++) if (x.data[i] < 0) x.data[i] = 0;
      return x;
    }

    // Option A: every second position, and zeros for the new channels, half before and half after.
    function zeroPad(x, channels, stride) {
      const out = maps(channels, Math.ceil(x.size / stride)), before = (channels - x.channels) >> 1;
      for (let c = 0; c < x.channels; c++) {
        for (let y = 0; y < out.size; y++) {
          for (let i = 0; i < out.size; i++) {
            out.data[((c + before) * out.size + y) * out.size + i] = x.data[(c * x.size + y * stride) * x.size + i * stride];
          }
        }
      }
      return out;
    }

    function shortcut(x, name, channels, stride) {
      if (`${name}.shortcut.0.weight` in tensors) return norm(convolve(x, `${name}.shortcut.0`, stride), `${name}.shortcut.1`);
      return stride === 1 && channels === x.channels ? x : zeroPad(x, channels, stride);
    }

    // relu(F(x) + shortcut(x))
    function block(x, name, stride) {
      const inner = relu(norm(convolve(x, `${name}.conv1`, stride), `${name}.bn1`));
      const out = norm(convolve(inner, `${name}.conv2`, 1), `${name}.bn2`);
      const beside = shortcut(x, name, out.channels, stride);
      for (let i = 0; i < out.data.length; i++) out.data[i] += beside.data[i];
      return relu(out);
    }

    function linear(x) {
      const area = x.size * x.size, {shape: [classes], data: weights} = tensors["fc.weight"];
      const means = Array.from({length: x.channels}, (_, c) => {
        let sum = 0;
        for (let i = c * area; i < (c + 1) * area; i++) sum += x.data[i];
        return sum / area;
      });
      return Array.from({length: classes}, (_, k) =>
        means.reduce((sum, value, c) => sum + value * weights[k * x.channels + c], tensors["fc.bias"].data[k]));
    }

    // Pixels as a canvas has them, RGBA from 0 to 255, to logits.
    function run(pixels) {
      let x = maps(3, Math.sqrt(pixels.length / 4));
      const area = x.size * x.size;
      for (let c = 0; c < 3; c++) {
        for (let i = 0; i < area; i++) x.data[c * area + i] = (pixels[4 * i + c] / 255 - mean[c]) / std[c];
      }
      x = relu(norm(convolve(x, "conv1", 1), "bn1"));
      blocks.forEach((count, stage) => {
        for (let i = 0; i < count; i++) x = block(x, `stages.${stage}.${i}`, stage > 0 && i === 0 ? 2 : 1);
      });
      return linear(x);
    }

    return {load, run};
  }

  // Ask the network, in a worker where there is one, so that the page does not wait.
  function start(file) {
    try {
      const source = `const network = (${resnet})();
        onmessage = ({data: {file, pixels, id}}) => {
          if (file) return network.load(file);
          const began = performance.now(), logits = network.run(pixels);
          postMessage({id, logits, time: performance.now() - began});
        };`;
      const worker = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
      const waiting = new Map();
      worker.onmessage = ({data}) => (waiting.get(data.id)(data), waiting.delete(data.id));
      worker.postMessage({file});
      let asked = 0;
      return (pixels) => new Promise((done) => {
        waiting.set(++asked, done);
        worker.postMessage({pixels, id: asked});
      });
    } catch { // a page that may not start workers
      const network = resnet();
      network.load(file);
      return async (pixels) => {
        const began = performance.now(), logits = network.run(pixels);
        return {logits, time: performance.now() - began};
      };
    }
  }

  // The file of weights stands in this page, or beside the book in a script: a page from a folder may read no other file.
  async function fetchWeights() {
    const here = part("weights");
    if (here) return here.textContent;
    const places = [document.documentElement.dataset.content_root, "./", "../"].filter((place) => place !== undefined);
    for (const place of new Set(places)) {
      const found = await new Promise((done) => {
        const script = document.createElement("script");
        script.src = `${place}_weights/${facts.name}.js`;
        script.onload = () => done(true);
        script.onerror = () => done(false);
        document.head.append(script);
      });
      if (found) return globalThis.resnetTutorialWeights[facts.name];
    }
    throw new Error(`_weights/${facts.name}.js is not there`);
  }

  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
  const softmax = (logits) => {
    const top = Math.max(...logits), powers = logits.map((value) => Math.exp(value - top));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };
  let ask = null, latest = 0;

  // As the package reads images: the shorter side fits, cropped at the center, transparent parts white. Halving first
  // averages over all pixels.
  function shrink(image) {
    const [width, height] = [image.naturalWidth || image.width, image.naturalHeight || image.height];
    let side = Math.min(width, height), from = image, box = [(width - side) / 2, (height - side) / 2, side, side];
    const seen = part("seen");
    for (let done = false; !done;) {
      done = side < 4 * facts.size;
      side = done ? facts.size : Math.ceil(side / 2);
      const canvas = done ? seen : Object.assign(document.createElement("canvas"), {width: side, height: side});
      const paint = canvas.getContext("2d", {willReadFrequently: true});
      paint.fillStyle = "white";
      paint.fillRect(0, 0, side, side);
      paint.imageSmoothingQuality = "high";
      paint.drawImage(from, ...box, 0, 0, side, side);
      [from, box] = [canvas, [0, 0, side, side]];
    }
    return seen.getContext("2d").getImageData(0, 0, facts.size, facts.size).data;
  }

  async function classify(image, title) {
    const turn = ++latest;
    part("picture").src = image.src;
    part("picture").alt = title;
    const {logits, time} = await ask(shrink(image));
    if (turn !== latest) return; // another picture was chosen meanwhile
    const shares = softmax(logits), order = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);
    shares.forEach((share, k) => {
      const row = part("table").querySelector("table").rows[k];
      row.cells[1].textContent = percent(share);
      row.cells[1].style.setProperty("--share", `${100 * share}%`);
      row.classList.toggle("rt-best", k === order[0]);
    });
    const [first, second] = order.map((k) => `${facts.classes[k]}, ${percent(shares[k])}`);
    part("status").textContent = `${title}: ${first}; then ${second}. Computed in ${time.toFixed(0)} ms on your machine.`;
  }

  function open(source, title) {
    const image = new Image();
    image.onload = () => classify(image, title);
    image.onerror = () => { part("status").textContent = `${title} is no picture that this browser can read: try PNG or JPEG.`; };
    image.src = source;
  }

  function openFile(file) {
    if (!file) return;
    for (const radio of root.querySelectorAll("input[type=radio]")) radio.checked = false;
    const reader = new FileReader();
    reader.onload = () => open(reader.result, file.name || "the pasted picture");
    reader.readAsDataURL(file);
  }

  const openChosen = () => {
    const chosen = root.querySelector("input[type=radio]:checked").closest("label");
    open(chosen.querySelector("img").src, chosen.textContent.trim());
  };

  part("load").addEventListener("click", async () => {
    part("load").disabled = true;
    part("status").textContent = "Loading …";
    try {
      const text = await fetchWeights();
      ask = start(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
    } catch (error) {
      part("status").textContent = `The network could not be loaded: ${error.message}.`;
      part("load").disabled = false;
      return;
    }
    root.logits = async (pixels) => (await ask(pixels)).logits; // for those who want to check it
    part("rest").hidden = part("table").hidden = false;
    part("load").hidden = true;
    openChosen();
  });
  part("examples").addEventListener("change", openChosen);
  part("file").addEventListener("change", () => openFile(part("file").files[0]));
  document.addEventListener("paste", (event) => {
    if (ask) openFile([...event.clipboardData.files].find((file) => file.type.startsWith("image/")));
  });
  part("form").addEventListener("submit", (event) => event.preventDefault());
  part("form").hidden = false;
})();
