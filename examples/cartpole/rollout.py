#!/usr/bin/env python3
"""Plays episodes of CartPole with a policy and notes what happened, without dependencies.

    rollout.py SEED EPISODES [greedy]

The policy is read from w1.f32 [4, h], b1.f32 [h], w2.f32 [h, 2] and b2.f32 [2]: an MLP with tanh.
Written are notes.npy [rows, 6], a row a step: what was seen, which action was taken and how much
better that was than others, padded with zeros to 500 rows an episode; and returns.npy [EPISODES].
The physics are those of Barto, Sutton
and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems"
(1983), with the limits that are usual today: 12 degrees, 2.4 m, 500 steps of 0.02 s."""

import array
import math
import random
import struct
import sys

STEPS = 500
DISCOUNT = 0.99
GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TICK = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02


def read(name):
    numbers = array.array("f")
    with open(name, "rb") as file:
        numbers.frombytes(file.read())
    return list(numbers)


def policy():
    """The difference of the two actions' logits, as a function of the four observations."""
    w1, b1, w2, b2 = (read(name + ".f32") for name in ("w1", "b1", "w2", "b2"))
    hidden = len(b1)
    rows = [w1[row * hidden : (row + 1) * hidden] for row in range(4)]
    # Only the difference of the logits has a say in which of two actions is taken.
    units = list(zip(*rows, b1, [w2[2 * i + 1] - w2[2 * i] for i in range(hidden)]))
    bias = b2[1] - b2[0]
    tanh = math.tanh

    def preference(x, v, angle, spin):
        return bias + sum(
            out * tanh(a * x + b * v + c * angle + d * spin + e) for a, b, c, d, e, out in units
        )

    return preference


def step(x, v, angle, spin, right):
    force = FORCE if right else -FORCE
    sine, cosine = math.sin(angle), math.cos(angle)
    push = (force + POLE * HALF_LENGTH * spin * spin * sine) / (CART + POLE)
    swing = (GRAVITY * sine - cosine * push) / (
        HALF_LENGTH * (4 / 3 - POLE * cosine * cosine / (CART + POLE))
    )
    pull = push - POLE * HALF_LENGTH * swing * cosine / (CART + POLE)
    return x + TICK * v, v + TICK * pull, angle + TICK * spin, spin + TICK * swing


def episode(preference, chance, greedy):
    """What was seen and done until the pole fell, the cart left or time was up."""
    state = tuple(chance.uniform(-0.05, 0.05) for _ in range(4))
    seen, done = [], []
    while len(done) < STEPS and abs(state[0]) <= 2.4 and abs(state[2]) <= math.radians(12):
        preferred = preference(*state)
        if greedy:
            right = preferred > 0
        else:
            right = chance.random() < 1 / (1 + math.exp(-max(-60.0, min(60.0, preferred))))
        seen.extend(state)
        done.append(int(right))
        state = step(*state, right)
    return seen, done


def discounted(count):
    """What follows each of so many steps, each worth 1, the later the less."""
    following, total = [], 0.0
    for _ in range(count):
        total = 1.0 + DISCOUNT * total
        following.append(total)
    return following[::-1]


def write_npy(name, code, shape, numbers):
    """A file of NumPy's format, version 1.0."""
    form = {"f": "<f4", "i": "<i4"}[code]
    header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (form, tuple(shape))
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(name, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        array.array(code, numbers).tofile(file)


def main():
    seed, episodes = int(sys.argv[1]), int(sys.argv[2])
    chance, preference = random.Random(seed), policy()
    played = [episode(preference, chance, "greedy" in sys.argv[3:]) for _ in range(episodes)]
    returns = [float(len(done)) for _, done in played]
    write_npy("returns.npy", "f", [episodes], returns)
    observations = [number for seen, _ in played for number in seen]
    actions = [action for _, done in played for action in done]
    follow = [number for _, done in played for number in discounted(len(done))]
    mean = sum(follow) / len(follow)
    spread = math.sqrt(sum((number - mean) ** 2 for number in follow) / len(follow)) or 1.0
    advantages = [(number - mean) / spread for number in follow]
    notes = []
    for place, (action, advantage) in enumerate(zip(actions, advantages)):
        notes.extend(observations[4 * place : 4 * place + 4])
        notes.extend((action, advantage))
    rows = episodes * STEPS
    write_npy("notes.npy", "f", [rows, 6], notes + [0.0] * (6 * (rows - len(actions))))


main()
