#!/usr/bin/env python3
"""Makes fixtures/optimiser.json: what torch's AdamW, gradient clipping and transformers' schedules do, and a few lines of torch for StableAdamW and averages.

    pip install torch transformers && python make_fixtures.py

All numbers are small fractions of powers of two, so that both sides start from the same bits.
"""
import json, pathlib
import torch
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

STEPS, COUNT = 20, 24
generator = torch.Generator().manual_seed(11)
draw = lambda *shape: (torch.randint(-4096, 4096, shape, generator=generator) / 4096.0)

start, gradients = draw(COUNT), draw(STEPS, COUNT)
gradients[:, 5] = 0.0  # never a gradient: decays only
gradients[1:, 6] = 0.0  # one gradient, then momentum alone
gradients[7] *= 0.01  # a step below the bound, which is not clipped


def adamw(max_norm, **options):
    parameter = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.AdamW([parameter], foreach=False, **options)
    schedule = get_linear_schedule_with_warmup(optimizer, 3, STEPS)
    after, norms = [], []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([parameter], max_norm).item() if max_norm else gradient.norm().item())
        optimizer.step()
        schedule.step()
        after.append(parameter.detach().tolist())
    return dict(max_norm=max_norm, after=after, norms=norms, **options)


def stable_adamw(lr, betas, eps, weight_decay, decay):
    """Algorithm 2 of Wortsman et al. (2023), whose corrected betas give the corrected moments, and the corrected average of the weights."""
    parameter, first, second, average = start.clone(), *torch.zeros(3, COUNT)
    after, averages = [], []
    for step, gradient in enumerate(gradients, 1):
        beta1, beta2 = (beta * (1 - beta ** (step - 1)) / (1 - beta**step) for beta in betas)
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        size = (gradient**2 / second.clamp(min=eps**2)).mean().sqrt()
        rate = lr / max(1.0, size.item())
        parameter = parameter - rate * weight_decay * parameter - rate * first / (second.sqrt() + eps)
        average = average.lerp(parameter, (1 - decay) / (1 - decay**step))
        after.append(parameter.tolist())
        averages.append(average.tolist())
    return dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, decay=decay, after=after, averages=averages)


def rates(make, *arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-5)
    schedule = make(optimizer, *arguments)
    found = []
    for _ in range(13):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


fixture = dict(
    made_with=f"torch {torch.__version__.split('+')[0]}",
    start=start.tolist(),
    gradients=gradients.tolist(),
    runs=[
        adamw(1.0, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
        adamw(None, lr=1e-3, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
    ],
    stable=[
        stable_adamw(lr=1e-2, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1, decay=0.9),
        stable_adamw(lr=1e-3, betas=(0.8, 0.999), eps=1e-8, weight_decay=0.01, decay=0.999),
    ],
    schedules=[
        dict(schedule="linear", warmup=0, total=12, rates=rates(get_linear_schedule_with_warmup, 0, 12)),
        dict(schedule="linear", warmup=5, total=12, rates=rates(get_linear_schedule_with_warmup, 5, 12)),
        dict(schedule="cosine", warmup=3, total=12, rates=rates(get_cosine_schedule_with_warmup, 3, 12)),
        dict(schedule="constant", warmup=4, total=12, rates=rates(get_constant_schedule_with_warmup, 4)),
    ],
)
path = pathlib.Path(__file__).parent / "fixtures" / "optimiser.json"
path.write_text(json.dumps(fixture) + "\n")
