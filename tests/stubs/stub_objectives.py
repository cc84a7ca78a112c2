"""Objectives of one's own."""

import numpy as np


def dearest(dataset):
    """The greatest mean cost over the values of c, and its standard error."""
    costs = dataset["cost"]
    errors = costs.std("member", ddof=1) / np.sqrt(costs.sizes["member"])
    worst = int(costs.mean("member").argmax("c"))
    return float(costs.mean("member")[worst]), float(errors[worst])


def mistaken(dataset):
    """What raises."""
    return dataset["price"]


def endless(dataset):
    """What is no number."""
    return np.inf, 1.0


def scanned(dataset):
    """The mean cost at c = 0 and, of those values of n that were asked for, at the best; asked for are all near 7."""
    costs = dataset["cost"].mean("member").sel(c=0)
    if not (dataset["n"] == 7).any():
        return [{"c": 0, "n": n} for n in (6, 7, 8)]
    best = int(costs.argmin("n"))
    spread = dataset["cost"].sel(c=0).isel(n=best).std("member", ddof=1)
    return float(costs[best]), float(spread / np.sqrt(dataset.sizes["member"]))


def longer(dataset):
    """The mean error at T = 2 and 3; the second is asked for."""
    if not (dataset["T"] == 3).any():
        return [{"T": 3}]
    errors = dataset["final_error"].mean("T")
    return float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(errors.sizes["member"]))


def insatiable(dataset):
    """What asks for what is there."""
    return [{"c": 0, "n": 1}]


def astray(dataset):
    """What asks for what can't be."""
    return [{"c": 0, "n": 99}]


def wanting(dataset):
    """What asks for another axis."""
    return [{"a": 1, "c": 0}]
