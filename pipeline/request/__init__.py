"""What is asked for: from a command line to a checked request, and to the points and members it stands for."""

from pipeline.request.checking import (
    Derived,
    Known,
    Origin,
    check,
    check_store_alone,
    ignored_settings,
    plain,
)
from pipeline.request.clusters import (
    Cluster,
    LocalCluster,
    SchedulerCluster,
    SerialCluster,
    SlurmCluster,
    as_walltime,
    bytes_of,
    refuse_open_comms,
    seconds_of,
)
from pipeline.request.command_line import CONF, Arguments, as_yaml, compose, parse, several
from pipeline.request.config import (
    EXPORTS,
    LEAST_MEMBERS,
    PAGE,
    Aim,
    Config,
    Converge,
    FiguresConfig,
    Precision,
    Search,
    StoreAlone,
    Verify,
)
from pipeline.request.drawable import Needs, unfit
from pipeline.request.fields import local_path
from pipeline.request.messages import got, label_of, shown, values_of
from pipeline.request.sampling import Design, Range, on_steps, ranges_of
from pipeline.request.space import Space, expanded, points_of_candidate, space_of
from pipeline.request.sweep import MOST_BLOCKS, Point, Sweep, Value, checked_points, define, point_ids, point_seed

__all__ = [
    "CONF", "EXPORTS", "LEAST_MEMBERS", "MOST_BLOCKS", "PAGE", "Aim", "Arguments", "Cluster", "Config", "Converge",
    "Derived", "Design", "FiguresConfig", "Known", "LocalCluster", "Needs", "Origin", "Point", "Precision", "Range",
    "SchedulerCluster", "Search", "SerialCluster", "SlurmCluster", "Space", "StoreAlone", "Sweep", "Value",
    "Verify", "as_walltime", "as_yaml", "bytes_of", "check", "check_store_alone", "checked_points", "compose", "define",
    "expanded",
    "got", "ignored_settings", "label_of", "local_path", "on_steps", "parse", "plain", "point_ids", "point_seed",
    "points_of_candidate", "ranges_of", "refuse_open_comms", "seconds_of", "several", "shown", "space_of", "unfit",
    "values_of",
]  # fmt: skip
