"""A training run of an upscaler: goes on from where it stands, keeps the best it has seen."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxdemo import images
from cxdemo.features import load_features
from cxdemo.losses import discriminator_loss
from cxdemo.metrics import psnr_y
from cxdemo.networks import (
    PatchDiscriminator,
    Upscaler,
    compact_upscaler,
    srresnet,
    upscale_bicubic,
)
from cxdemo.training.loop import (
    Clock,
    load_state,
    save_network,
    save_state,
    step_size_at,
    update_average,
)
from cxdemo.training.photos import Crops, Degradation, load_photo, round_to_bytes, split_photos
from cxdemo.training.upscaler_config import TrainingConfig
from cxdemo.training.upscaler_losses import (
    OFFSETS,
    Features,
    low_frequency_loss,
    perceptual_distance,
    upscaler_losses,
)

NETWORKS: dict[str, Callable[[], Upscaler]] = {"compact": compact_upscaler, "srresnet": srresnet}
Judge = Callable[[Tensor, Tensor], float]


class Run:
    """A training run: networks, optimisers, and where it stands.

    Args:
        config: What to do.
        folder: Where its state, log, pictures and results are; made if need be.
        photos: The photos, the validation's ones among them.
        start: A safetensors file of parameters to start from; None: bicubic interpolation.
        judges: More figures for the validation, by name: (upscaled, high_res) -> number, lower is
            better. The first one decides which parameters are the best of phases other than mse.
        accelerator: An `accelerate.Accelerator`; None: one is made.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        photos: list[Path],
        *,
        start: Path | None = None,
        judges: Mapping[str, Judge] | None = None,
        accelerator: Any = None,
    ) -> None:
        if accelerator is None:
            from accelerate import Accelerator

            accelerator = Accelerator()
        self.config, self.folder, self.judges = config, folder, dict(judges or {})
        self.accelerator = accelerator
        folder.mkdir(parents=True, exist_ok=True)
        train, validation = split_photos(photos, config.num_validation)
        self.crops = Crops(
            [load_photo(path) for path in train],
            size=config.crop_size,
            degradation=Degradation(share=config.degraded_share),
        )
        self.validation = [centre_crop(load_photo(path)) for path in validation]
        self.step, self.best = 0, math.inf
        self._build(start)
        self._resume()

    def _build(self, start: Path | None) -> None:
        config, prepare = self.config, self.accelerator.prepare
        torch.manual_seed(config.seed)
        network = NETWORKS[config.network]()
        if start is not None:
            from safetensors.torch import load_file

            network.load_state_dict(load_file(start))
        self.average = copy.deepcopy(network).to(self.accelerator.device).eval()
        adam = torch.optim.Adam(network.parameters(), config.step_size, betas=(0.9, 0.99))
        self.network, self.optimizer = prepare(network, adam)
        self.discriminator = self.discriminator_optimizer = None
        if config.gan_weight:
            judge = PatchDiscriminator()
            adam = torch.optim.Adam(
                judge.parameters(), config.discriminator_step_size, betas=(0.5, 0.99)
            )
            self.discriminator, self.discriminator_optimizer = prepare(judge, adam)
        self.features: Features | None = None
        if config.cx_weight or config.perceptual_weight:
            self.features = load_features(
                "vgg16", config.layers, device=self.accelerator.device, dtype=torch.float32
            )

    def advance(self) -> dict[str, float]:
        """One step of the optimisers. Returns the weighted terms of the loss."""
        config = self.config
        seed = f"{config.seed} {self.step} {self.accelerator.process_index}"
        low_res, high_res = self.crops.draw(config.batch_size, seed)
        low_res = low_res.to(self.accelerator.device)
        high_res = high_res.to(self.accelerator.device)
        self._set_step_sizes()
        upscaled = self.network(low_res)
        losses = self._step_upscaler(upscaled, high_res)
        if self.discriminator is not None:
            losses["discriminator"] = self._step_discriminator(upscaled.detach(), high_res)
        update_average(
            self.average,
            self.accelerator.unwrap_model(self.network),
            step=self.step,
            decay=config.decay,
        )
        self.step += 1
        return losses

    def _set_step_sizes(self) -> None:
        share = step_size_at(self.step, self.config.num_steps, self.config.warmup_steps)
        for optimizer, step_size in (
            (self.optimizer, self.config.step_size),
            (self.discriminator_optimizer, self.config.discriminator_step_size),
        ):
            for group in optimizer.param_groups if optimizer is not None else ():
                group["lr"] = share * step_size

    def _step_upscaler(self, upscaled: Tensor, high_res: Tensor) -> dict[str, float]:
        # Without the wrapper of several processes, whose hooks wait for gradients that these
        # scores do not give to the discriminator.
        judge = None
        if self.discriminator is not None:
            judge = self.accelerator.unwrap_model(self.discriminator).eval().requires_grad_(False)
        dice = random.Random(f"offset {self.config.seed} {self.step}")  # noqa: S311
        offset = (dice.randrange(OFFSETS), dice.randrange(OFFSETS))
        losses = upscaler_losses(upscaled, high_res, self.config, self.features, judge, offset)
        self.optimizer.zero_grad()
        self.accelerator.backward(torch.stack(list(losses.values())).sum())
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.max_norm)
        self.optimizer.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _step_discriminator(self, upscaled: Tensor, high_res: Tensor) -> float:
        assert self.discriminator is not None and self.discriminator_optimizer is not None  # noqa: S101, PT018
        self.discriminator.train().requires_grad_(True)
        scores = self.discriminator(torch.cat([high_res, upscaled]))  # one pass: (2 N, 1, H, W)
        loss = discriminator_loss(*scores.chunk(2))
        self.discriminator_optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.discriminator_optimizer.step()
        return float(loss.detach())

    def run(self) -> Iterator[dict[str, float]]:
        """Steps until the end; yields the record of each validation."""
        sums: dict[str, float] = {}
        since, first = time.monotonic(), self.step
        clock = Clock(self.save_state)
        while self.step < self.config.num_steps:
            for name, value in self.advance().items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step % self.config.validate_every and self.step < self.config.num_steps:
                clock.tick()
                continue
            count = self.step - first
            record = {"step": self.step, "seconds": (time.monotonic() - since) / count}
            record |= {name: value / count for name, value in sums.items()}
            if self.accelerator.is_main_process:
                record |= self._validate()
                self._keep(record)
            yield record
            sums, since, first = {}, time.monotonic(), self.step

    # ------------------------------------------------------------------------------- validation

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Means over the held-back photos; their pictures go to `validation.png`."""
        rows: list[dict[str, float]] = []
        strips: list[list[Tensor]] = []
        for high_res in self.validation:
            truth = high_res.to(self.accelerator.device)
            low_res = round_to_bytes(images.shrink(truth, Upscaler.scale))
            upscaled = round_to_bytes(self.average(low_res).clamp(0, 1))
            rows.append(self._judge(upscaled, truth))
            bicubic = upscale_bicubic(low_res, Upscaler.scale).clamp(0, 1)
            strips.append([image[..., 32:224, 32:224] for image in (bicubic, upscaled, truth)])
        sheet = images.contact_sheet(strips, labels=("bicubic", "upscaled", "truth"))
        sheet.save(self.folder / "validation.png")
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _judge(self, upscaled: Tensor, truth: Tensor) -> dict[str, float]:
        figures = {
            "psnr_y": float(psnr_y(upscaled, truth)),
            "psnr_low": -10 * math.log10(float(low_frequency_loss(upscaled, truth)) + 1e-10),
        }
        if self.features is not None:
            distance = perceptual_distance(upscaled, truth, self.features, self.config)
            figures["cx_truth"] = float(distance)
        return figures | {name: judge(upscaled, truth) for name, judge in self.judges.items()}

    def _keep(self, record: dict[str, float]) -> None:
        """Writes the log, the state, and the parameters if they are the best so far."""
        score = self._score(record)
        if score < self.best:
            self.best = score
            save_network(self.average, self.folder / "best.safetensors")
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        self.save_state()

    def _score(self, record: dict[str, float]) -> float:
        """What the best parameters have the least of."""
        if self.config.phase == "mse":
            return -record["psnr_y"]
        return record[next(iter(self.judges), "cx_truth")]

    # ------------------------------------------------------------------------------- the state

    def save_state(self) -> None:
        """`state.pt`, replaced as a whole, by the main process."""
        if not self.accelerator.is_main_process:
            return
        unwrap = self.accelerator.unwrap_model
        state: dict[str, Any] = {
            "config": self.config.as_dict(),
            "step": self.step,
            "best": self.best,
            "network": unwrap(self.network).state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self.discriminator is not None and self.discriminator_optimizer is not None:
            state["discriminator"] = unwrap(self.discriminator).state_dict()
            state["discriminator_optimizer"] = self.discriminator_optimizer.state_dict()
        save_state(self.folder, state)

    def _resume(self) -> None:
        """Goes on from `state.pt`, if there is one."""
        same = ("phase", self.config.phase)
        state = load_state(self.folder, self.accelerator.device, same=same)
        if not state:
            return
        unwrap = self.accelerator.unwrap_model
        self.step, self.best = state["step"], state["best"]
        unwrap(self.network).load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.discriminator is not None and self.discriminator_optimizer is not None:
            unwrap(self.discriminator).load_state_dict(state["discriminator"])
            self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])


def centre_crop(photo: Tensor, size: int = 256) -> Tensor:
    """The middle of a photo: (3, H, W) uint8 -> (1, 3, <= size, <= size) in [0, 1]."""
    height, width = (min(size, side) // 4 * 4 for side in photo.shape[1:])
    top, left = (photo.shape[1] - height) // 2, (photo.shape[2] - width) // 2
    return photo[None, :, top : top + height, left : left + width].float() / 255
