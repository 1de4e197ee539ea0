"""One fine-tuning step of 16 people beside its floor: all weights, the head alone, adapters of rank 8.

    python -m benchmarks.finetune_step [--size small paper] [--device cpu|cuda] [--threads N]

Random frames in RAM (or on the GPU), epochs of two steps; the step is that of ``Tuning.run_epoch`` itself: gather,
corrupt, forward, backward, clip, AdamW. Floor = FLOPs of the step's matrix products, as torch dispatches them, over the
rate of one large product (float32) in the same process, before and after; "forward x 3" is the usual estimate from
``Encoder.flops``, for comparison. A last row gives the prediction of one person (8 crops).
"""

import argparse
import statistics

import numpy as np
import torch
from benchmarks.measure import machine, matmul_rate, seconds, show
from benchmarks.training_step import count_flops, random_pool, sizes

from semantoks.evaluate.finetuning.target_model import fresh_model, predict_people
from semantoks.evaluate.finetuning.tuning import Examples, FinetuneConfig, Lesson, Tuning
from semantoks.model.encoder import Encoder

PEOPLE, EPOCHS = 32, 1000
WAYS = {
    "all weights": FinetuneConfig(epochs=EPOCHS),
    "head alone": FinetuneConfig(epochs=EPOCHS, frozen_epochs=EPOCHS),
    "LoRA 8": FinetuneConfig(epochs=EPOCHS, lora_rank=8),
}


def line(name: str, way: str, turns: int, device: torch.device) -> list[str]:
    """Measure one way to fine-tune one size, so many epochs."""
    size, config = sizes()[name], WAYS[way]
    pool = random_pool(size.atlas, PEOPLE, device)
    encoder = Encoder(size.config.encoder, pool.network_index)
    model = fresh_model(encoder, 2, lora_rank=config.lora_rank, lora_alpha=config.lora_alpha, seed=0).to(device)
    everybody = Examples(people=np.arange(PEOPLE), truth=np.arange(PEOPLE) % 2)
    lesson = Lesson(train=everybody, validation=everybody, classes=2, lr=1e-4)
    training, steps = Tuning(model, pool, lesson, config), PEOPLE // config.batch_size
    flops = count_flops(lambda epoch: training.run_epoch(epoch), (1,)) / steps
    before = matmul_rate(device)
    times = seconds(lambda: training.run_epoch(2), repeats=turns, device=device)
    step, rate = statistics.median(times) / steps, statistics.mean([before, matmul_rate(device)])
    predict = seconds(lambda: predict_people(model, pool, np.arange(8), config.crops), repeats=3, device=device)
    learning = sum(p.numel() for group in training.optimizer.param_groups for p in group["params"] if p.requires_grad)
    return [
        f"{name}, {way}",
        f"{learning / 1e6:.2f}",
        f"{flops / 1e9:.1f}",
        f"{3 * encoder.flops(config.batch_size) / 1e9:.1f}",
        f"{1e3 * flops / rate:.1f}",
        f"{1e3 * step:.1f}",
        f"{step * rate / flops:.2f}",
        f"{1e3 * statistics.median(predict) / 8:.1f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=["small", "paper"], default=["small", "paper"])
    parser.add_argument(
        "--turns", type=int, help="epochs that are timed (default: 30 of the small size, 3 of the paper's)"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device)
    header = ["", "million learn", "GFLOP", "forward x 3", "floor, ms", "step, ms", "/ floor", "a person, ms"]
    turns = {"small": 30, "paper": 3} if chosen.turns is None else dict.fromkeys(chosen.size, chosen.turns)
    rows = [line(name, way, turns[name], device) for name in chosen.size for way in WAYS]
    show(f"One fine-tuning step of 16 people. {machine(device)}", header, rows)


if __name__ == "__main__":
    main()
